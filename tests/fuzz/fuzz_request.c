/* Requests: whatever came, the reference to echo is fit to be echoed and strings stay where they are. */
#include "fuzz.h"
#include "wire/request.h"
#include "wire/utf8.h"

static void check_strings(struct request *req)
{
	struct str before[REQUEST_MEMBERS_MAX], text;
	char name[2] = "a";

	for (int round = 0; round < 2; round++)
		for (char c = 'a'; c < 'a' + 6; c++) {
			name[0] = c;
			int r = request_string(req, name, &text);
			GRID_ASSERT(r >= 0 && (r != REQUEST_WRONG_TYPE || req->why));
			if (r != 0)
				continue;
			GRID_ASSERT(utf8_valid(text.p, text.n));
			GRID_ASSERT(round == 0 || (before[c - 'a'].p == text.p && before[c - 'a'].n == text.n));
			before[c - 'a'] = text;
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str frame = {(const char *)data, size};
	struct request req;
	bool flag;
	int r = request_decode(&req, frame);

	GRID_ASSERT(r >= 0 && (r == 0) == (req.why == NULL));
	GRID_ASSERT((r == REQUEST_E_BAD_JSON) >= !json_valid(frame));
	if (req.ref.p)
		GRID_ASSERT(json_valid(req.ref) && req.ref.n <= 2 + 6 * REQUEST_REF_MAX && !strchr("{[tfn", req.ref.p[0]));
	if (r == 0) {
		GRID_ASSERT(req.op.p && utf8_valid(req.op.p, req.op.n) && req.n <= REQUEST_MEMBERS_MAX);
		check_strings(&req);
		if (request_bool(&req, "a", &flag) == 0)
			GRID_ASSERT(request_member(&req, "a").n == (flag ? 4 : 5));
	}
	request_deinit(&req);
	return 0;
}
