#include "net/http.h"

#include <strings.h>

static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

static struct str trim(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool equals_nocase(struct str s, const char *text)
{
	return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

/* The next line without its end (CRLF, or a bare LF), taken off the front. False: there is no whole line. */
static bool take_line(struct str *rest, struct str *line)
{
	const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	if (!end)
		return false;
	size_t n = (size_t)(end - rest->p);
	*line = (struct str){rest->p, n && rest->p[n - 1] == '\r' ? n - 1 : n};
	rest->p += n + 1;
	rest->n -= n + 1;
	return true;
}

/* No control characters but the tab: no zero byte, no bare CR. */
static bool is_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool split(struct str s, char at, struct str *left, struct str *right)
{
	const char *p = s.n ? memchr(s.p, at, s.n) : NULL;
	if (!p)
		return false;
	size_t n = (size_t)(p - s.p);
	*left = (struct str){s.p, n};
	*right = (struct str){p + 1, s.n - n - 1};
	return true;
}

/* Origin form, or the absolute form a proxy may use (RFC 9112, 3.2). */
static bool parse_target(struct str target, struct http_head *head)
{
	static const char scheme[] = "http://";
	if (target.n >= sizeof(scheme) - 1 && strncasecmp(target.p, scheme, sizeof(scheme) - 1) == 0) {
		const char *path = memchr(target.p + sizeof(scheme) - 1, '/', target.n - (sizeof(scheme) - 1));
		if (!path)
			return false;
		target = (struct str){path, target.n - (size_t)(path - target.p)};
	}
	if (target.n == 0 || target.p[0] != '/' || memchr(target.p, '\t', target.n))
		return false;
	head->query = STR_NONE;
	if (!split(target, '?', &head->path, &head->query))
		head->path = target;
	return true;
}

static bool parse_request_line(struct str line, struct http_head *head)
{
	struct str rest, target, version;

	if (!split(line, ' ', &head->method, &rest) || !split(rest, ' ', &target, &version))
		return false;
	if (!is_token(head->method) || !parse_target(target, head))
		return false;
	if (version.n != 8 || memcmp(version.p, "HTTP/1.", 7) != 0 || version.p[7] < '0' || version.p[7] > '9')
		return false;
	head->minor = version.p[7] - '0';
	return true;
}

int http_head_parse(struct str in, struct http_head *head, size_t *lenp)
{
	struct str rest = in, line, name, value;

	if (!take_line(&rest, &line))
		return HTTP_E_MORE;
	*head = (struct http_head){.method = STR_NONE};
	if (!is_text(line) || !parse_request_line(line, head))
		return HTTP_E_MALFORMED;
	head->fields.p = rest.p;
	while (take_line(&rest, &line)) {
		if (line.n == 0) {
			*lenp = in.n - rest.n;
			return 0;
		}
		if (!is_text(line) || !split(line, ':', &name, &value) || !is_token(name))
			return HTTP_E_MALFORMED;
		head->fields.n = (size_t)(rest.p - head->fields.p);
	}
	return HTTP_E_MORE;
}

static bool next_field(struct str *fields, const char *wanted, struct str *value)
{
	struct str line, name;
	while (take_line(fields, &line)) {
		if (split(line, ':', &name, value) && equals_nocase(name, wanted)) {
			*value = trim(*value);
			return true;
		}
	}
	return false;
}

struct str http_field(const struct http_head *head, const char *name)
{
	struct str fields = head->fields, value;
	return next_field(&fields, name, &value) ? value : STR_NONE;
}

void http_field_join(const struct http_head *head, const char *name, struct buf *out)
{
	struct str fields = head->fields, value;
	bool first = true;
	while (next_field(&fields, name, &value)) {
		if (!first)
			buf_putc(out, ',');
		first = false;
		buf_put_str(out, value);
	}
}

bool http_list_next(struct str *list, struct str *item)
{
	while (list->n) {
		struct str rest = {NULL, 0};
		if (!split(*list, ',', item, &rest))
			*item = *list;
		*list = rest;
		*item = trim(*item);
		if (item->n)
			return true;
	}
	return false;
}

bool http_list_has(struct str list, const char *token)
{
	struct str item;
	while (http_list_next(&list, &item))
		if (equals_nocase(item, token))
			return true;
	return false;
}

struct str http_bearer(const struct http_head *head)
{
	static const char scheme[] = "bearer ";
	struct str value = http_field(head, "authorization");
	if (value.n < sizeof(scheme) - 1 || strncasecmp(value.p, scheme, sizeof(scheme) - 1) != 0)
		return STR_NONE;
	return trim((struct str){value.p + sizeof(scheme) - 1, value.n - (sizeof(scheme) - 1)});
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_decoded(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
			buf_putc(out, (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2])));
			i += 2;
		} else {
			buf_putc(out, s.p[i]);
		}
	}
}

bool http_query_param(const struct http_head *head, const char *name, struct buf *out)
{
	struct str rest = head->query, pair, key, value;
	while (rest.n) {
		struct str next = {NULL, 0};
		if (!split(rest, '&', &pair, &next))
			pair = rest;
		rest = next;
		value = (struct str){"", 0};
		if (!split(pair, '=', &key, &value))
			key = pair;
		if (str_eq(key, str_from(name))) {
			put_decoded(value, out);
			return true;
		}
	}
	return false;
}

const char *http_reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 426:
		return "Upgrade Required";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	case 503:
		return "Service Unavailable";
	default:
		return "Unknown";
	}
}
