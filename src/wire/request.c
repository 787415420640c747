#include "wire/request.h"

#include <errno.h>

#define ESCAPED_MAX 6 /* bytes of the longest escape sequence, \uXXXX, which stands for one byte at least */

static int bad(struct request *req, const char *why)
{
	req->why = why;
	return REQUEST_E_BAD_REQUEST;
}

static bool is_string(struct str value)
{
	return value.n > 0 && value.p[0] == '"';
}

/* A raw string without its quotes -> what it says. Without escapes that is the frame's own text. */
static int unescape(struct request *req, struct str raw, struct str *out)
{
	if (raw.n == 0 || !memchr(raw.p, '\\', raw.n)) {
		*out = raw;
		return 0;
	}
	char *base = buf_reserve(&req->scratch, req->frame.n);
	if (!base)
		return -ENOMEM;
	out->p = base + (raw.p - req->frame.p);
	return json_unescape(raw, base + (raw.p - req->frame.p), &out->n);
}

static int unescape_names(struct request *req)
{
	for (size_t i = 0; i < req->n; i++) {
		struct str name;
		int r = unescape(req, req->members[i].name, &name);
		if (r > 0)
			return bad(req, "the name of a member has half of a surrogate pair in it");
		if (r < 0)
			return r;
		req->members[i].name = name;
	}
	return 0;
}

/* At most 32 members, and lengths mostly differ: cheaper than any table. */
static bool has_duplicates(const struct request *req)
{
	for (size_t i = 1; i < req->n; i++)
		for (size_t j = 0; j < i; j++)
			if (str_eq(req->members[i].name, req->members[j].name))
				return true;
	return false;
}

static bool is_number(struct str value)
{
	return value.p[0] == '-' || (value.p[0] >= '0' && value.p[0] <= '9');
}

static int ref_length(struct request *req, struct str value, size_t *np)
{
	*np = value.n;
	if (!is_string(value))
		return is_number(value) ? 0 : REQUEST_WRONG_TYPE;
	if (value.n > 2 + REQUEST_REF_MAX * ESCAPED_MAX)
		return 0; /* too long however it is read */
	struct str text;
	int r = unescape(req, (struct str){value.p + 1, value.n - 2}, &text);
	*np = text.n;
	return r;
}

static int take_ref(struct request *req)
{
	struct str value = request_member(req, "ref");
	size_t n;

	if (!value.p)
		return 0;
	int r = ref_length(req, value, &n);
	if (r < 0)
		return r;
	if (r > 0 || n > REQUEST_REF_MAX)
		return bad(req, "`ref` must be a string of at most 64 bytes or a number");
	req->ref = value;
	return 0;
}

static int take_op(struct request *req)
{
	int r = request_string(req, "op", &req->op);
	if (r < 0)
		return r;
	if (r == REQUEST_ABSENT)
		return bad(req, "a request needs an `op`");
	return r ? bad(req, "`op` must be a string") : 0;
}

int request_decode(struct request *req, struct str frame)
{
	req->op = req->ref = STR_NONE;
	req->frame = frame;
	req->scratch = BUF_INIT;
	req->why = NULL;
	int shape = json_members(frame, req->members, REQUEST_MEMBERS_MAX, &req->n);
	if (shape == JSON_E_INVALID) {
		req->why = "not one JSON object as RFC 8259 has it";
		return REQUEST_E_BAD_JSON;
	}
	int r = unescape_names(req);
	if (r == 0)
		r = take_ref(req);
	if (r)
		return r;
	if (shape == JSON_E_TOO_MANY)
		return bad(req, "too many members");
	if (has_duplicates(req))
		return bad(req, "the same member twice");
	return take_op(req);
}

void request_deinit(struct request *req)
{
	buf_deinit(&req->scratch);
}

struct str request_member(const struct request *req, const char *name)
{
	struct str wanted = str_from(name);

	for (size_t i = 0; i < req->n; i++)
		if (str_eq(req->members[i].name, wanted))
			return req->members[i].value;
	return STR_NONE;
}

static int wrong_type(struct request *req, const char *why)
{
	req->why = why;
	return REQUEST_WRONG_TYPE;
}

int request_string(struct request *req, const char *name, struct str *out)
{
	struct str value = request_member(req, name);
	if (!value.p)
		return REQUEST_ABSENT;
	if (!is_string(value))
		return wrong_type(req, "a member that must be a string is none");
	int r = unescape(req, (struct str){value.p + 1, value.n - 2}, out);
	return r > 0 ? wrong_type(req, "half of a surrogate pair in a string") : r;
}

int request_bool(struct request *req, const char *name, bool *out)
{
	struct str value = request_member(req, name);
	if (!value.p)
		return REQUEST_ABSENT;
	if (!str_eq(value, STR("true")) && !str_eq(value, STR("false")))
		return wrong_type(req, "a member that must be true or false is neither");
	*out = value.p[0] == 't';
	return 0;
}
