/* What a client asks: one text frame, one JSON object (docs/protocol.md, section 2.1). Knows the shape, not the verbs:
 * those are the table in core/verbs.c. */
#ifndef GRID_WIRE_REQUEST_H
#define GRID_WIRE_REQUEST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/json.h"

#define REQUEST_MEMBERS_MAX 32
#define REQUEST_REF_MAX 64

/* BAD_JSON: not strict JSON, or not an object. BAD_REQUEST: no `op`, a bad `ref`, the same member twice, too many
 * members. */
enum { REQUEST_E_BAD_JSON = 1, REQUEST_E_BAD_REQUEST };

struct request {
	struct str op;  /* unescaped */
	struct str ref; /* raw JSON (a string or number) to echo as it came, or STR_NONE */
	size_t n;
	struct json_member members[REQUEST_MEMBERS_MAX]; /* names unescaped, values raw */
	struct str frame;
	struct buf scratch; /* unescaped strings, each at the offset it has in the frame: it never grows, nothing moves */
	const char *why;    /* after a failure: a static sentence for the error's `message` */
};

/* `frame` must outlive the request. `ref` is set also when something else is wrong, if it could be read.
 * On any result the caller ends with request_deinit(). */
GRID_MUST_CHECK int request_decode(struct request *req, struct str frame);
void request_deinit(struct request *req);

/* Raw JSON of a member, or STR_NONE. */
struct str request_member(const struct request *req, const char *name);

enum { REQUEST_ABSENT = 1, REQUEST_WRONG_TYPE };
/* A string member, unescaped; valid until request_deinit(). 0, REQUEST_ABSENT, REQUEST_WRONG_TYPE (also for a string
 * with an unpaired surrogate; `why` is set), -ENOMEM. */
GRID_MUST_CHECK int request_string(struct request *req, const char *name, struct str *out);
GRID_MUST_CHECK int request_bool(struct request *req, const char *name, bool *out);

#endif
