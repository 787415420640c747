/* JSON exactly as RFC 8259 has it: a check that allocates nothing and never recurses, and the top-level members of an
 * object as pieces of the original text. json-c is no validator (it takes NaN, `1.`, single quotes, control characters,
 * trailing bytes), and bodies are embedded in frames as they came, so everything passes here first. */
#ifndef GRID_WIRE_JSON_H
#define GRID_WIRE_JSON_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define JSON_DEPTH_MAX 256 /* arrays and objects inside each other */

enum { JSON_E_INVALID = 1, JSON_E_TOO_MANY };

struct json_member {
	struct str name;  /* raw, between the quotes; with its escapes */
	struct str value; /* raw, without white space around it */
};

/* Is `text` one JSON value, in valid UTF-8, white space around it allowed, nested at most JSON_DEPTH_MAX deep? */
bool json_valid(struct str text);
/* The members of a JSON object in order (duplicates included): 0 and *np of them. JSON_E_INVALID: not valid (as above)
 * or not an object. JSON_E_TOO_MANY: valid, but there are more than `max`; *np is `max` and those are set. */
GRID_MUST_CHECK int json_members(struct str text, struct json_member *members, size_t max, size_t *np);
/* The text of a raw JSON string value (quotes included), unescaped into `out`. JSON_E_INVALID: not a string, or an
 * unpaired surrogate, which has no UTF-8 form. -ENOMEM. */
GRID_MUST_CHECK int json_string(struct str value, struct buf *out);
/* The same for a string known to be valid, given without its quotes: unescapes into `out`, which has room for text.n
 * bytes (it never grows), and sets *np. JSON_E_INVALID: an unpaired surrogate. */
GRID_MUST_CHECK int json_unescape(struct str text, char *out, size_t *np);
/* Appends `text` (valid UTF-8) as a JSON string, quotes included; json_string_size() bytes. */
void json_put_string(struct buf *out, struct str text);
size_t json_string_size(struct str text);
/* Appends bytes as a JSON string of base64 (RFC 4648, with padding), quotes included; json_base64_size() bytes. */
void json_put_base64(struct buf *out, struct str bytes);
size_t json_base64_size(size_t n);

#endif
