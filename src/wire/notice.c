#include "wire/notice.h"

#include <string.h>

#include "wire/json.h"
#include "wire/request.h"

#define NUMBER_DIGITS_MAX 18

void notice_encode(const struct notice *notice, struct buf *out)
{
	buf_puts(out, "{\"op\":\"grid.cut\",\"origin\":");
	json_put_string(out, str_from(notice->origin));
	buf_printf(out, ",\"number\":%llu,\"cut\":%s,\"missed\":%llu,\"deaf\":%llu}", (unsigned long long)notice->number,
	           notice->cut ? "true" : "false", (unsigned long long)notice->missed_ms,
	           (unsigned long long)notice->deaf_ms);
}

static int read_number(const struct request *req, const char *name, uint64_t *out)
{
	struct str raw = request_member(req, name);

	if (raw.n == 0 || raw.n > NUMBER_DIGITS_MAX)
		return NOTICE_E_BAD;
	*out = 0;
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] < '0' || raw.p[i] > '9')
			return NOTICE_E_BAD;
		*out = *out * 10 + (uint64_t)(raw.p[i] - '0');
	}
	return 0;
}

static int read_origin(struct request *req, struct notice *out)
{
	struct str origin;
	int rc = request_string(req, "origin", &origin);

	if (rc < 0)
		return rc;
	if (rc != 0 || origin.n == 0 || origin.n > ORIGIN_MAX || memchr(origin.p, '\0', origin.n))
		return NOTICE_E_BAD;
	memcpy(out->origin, origin.p, origin.n);
	out->origin[origin.n] = '\0';
	return 0;
}

static int read_members(struct request *req, struct notice *out)
{
	if (!str_eq(req->op, STR("grid.cut")) || request_bool(req, "cut", &out->cut) != 0)
		return NOTICE_E_BAD;
	int rc = read_origin(req, out);
	if (rc == 0)
		rc = read_number(req, "number", &out->number);
	if (rc == 0)
		rc = read_number(req, "missed", &out->missed_ms);
	if (rc == 0)
		rc = read_number(req, "deaf", &out->deaf_ms);
	return rc;
}

int notice_decode(struct str text, struct notice *out)
{
	struct request req;
	int rc = request_decode(&req, text);

	*out = (struct notice){.number = 0};
	rc = rc > 0 ? NOTICE_E_BAD : rc;
	if (rc == 0)
		rc = read_members(&req, out);
	request_deinit(&req);
	return rc;
}
