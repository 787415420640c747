/* The head of an HTTP/1.x request: request line and fields, as pieces of the text that came. No sockets here.
 * RFC 9112; stricter where leniency only helps those who smuggle: no folded lines, no control characters. */
#ifndef GRID_NET_HTTP_H
#define GRID_NET_HTTP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { HTTP_E_MORE = 1, HTTP_E_MALFORMED };

struct http_head {
	struct str method;
	struct str path;   /* as it was sent, not decoded */
	struct str query;  /* behind the `?`, not decoded; STR_NONE: there is no `?` */
	int minor;         /* HTTP/1.<minor> */
	struct str fields; /* all header lines, each with its line end */
};

/* 0: `in` begins with a whole head of *lenp bytes, blank line included. HTTP_E_MORE: not yet. HTTP_E_MALFORMED. */
GRID_MUST_CHECK int http_head_parse(struct str in, struct http_head *head, size_t *lenp);

/* The value of the first field of this name, white space around it gone, or STR_NONE. */
struct str http_field(const struct http_head *head, const char *name);
/* All values of this name, joined with commas. */
void http_field_join(const struct http_head *head, const char *name, struct buf *out);
/* Is `token` an item of a comma-separated list, whatever its case? */
bool http_list_has(struct str list, const char *token);
/* The next item of a comma-separated list (empty ones skipped), taken off its front; false at the end. */
bool http_list_next(struct str *list, struct str *item);
/* T of "Bearer T", or STR_NONE. */
struct str http_bearer(const struct http_head *head);

/* The first parameter of this name, percent-decoded (a plus is a plus, not a space; what is no %XX stays as it is).
 * False: there is none. Zero bytes and bytes that are not UTF-8 come through. */
bool http_query_param(const struct http_head *head, const char *name, struct buf *out);

/* "Not Found" for 404. */
const char *http_reason(int status);

#endif
