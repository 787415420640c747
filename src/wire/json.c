#include "wire/json.h"

#include <endian.h>
#include <errno.h>

#include "wire/utf8.h"

/* The scanner walks over the text once, a token at a time. What it is inside of is one bit per level, so that neither
 * the stack nor the heap grows with the depth. While it walks it can note the members of the outermost object. */
struct scanner {
	const unsigned char *p, *end;
	uint64_t in_object[JSON_DEPTH_MAX / 64]; /* bit set: that level is an object, not an array */
	unsigned depth;
	struct json_member *members; /* room for `max`; `n` counts on beyond it */
	size_t max, n;
};

/* What a step of the scanner came to. */
enum step {
	STEP_BAD,  /* not JSON */
	STEP_MORE, /* a value must follow */
	STEP_DONE, /* a value has ended */
};

static const uint8_t is_string_special[256] = {[0x00 ... 0x1f] = 1, ['"'] = 1, ['\\'] = 1, [0x80 ... 0xff] = 1};

/* What follows a backslash: the byte it stands for; 'u' for itself. */
static const char escapes[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b', ['f'] = '\f',
                                  ['n'] = '\n', ['r'] = '\r',  ['t'] = '\t', ['u'] = 'u'};

static bool is_space(unsigned char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void skip_space(struct scanner *s)
{
	while (s->p < s->end && *s->p <= ' ' && is_space(*s->p))
		s->p++;
}

/* Takes the byte if it comes next. */
static inline bool take(struct scanner *s, char c)
{
	if (s->p == s->end || *s->p != (unsigned char)c)
		return false;
	s->p++;
	return true;
}

#define EIGHT(c) ((c)*0x0101010101010101u)

/* How many of the eight bytes (first one lowest) come before the first special one. A byte that is below 0x20, or equal
 * to what it is xored with, borrows and so gets its top bit set; a borrow can mislead only about bytes behind that. */
static inline unsigned plain_of_eight(uint64_t w)
{
	uint64_t special = (w - EIGHT(0x20)) | ((w ^ EIGHT('"')) - EIGHT(1)) | ((w ^ EIGHT('\\')) - EIGHT(1)) | w;
	special &= EIGHT(0x80);
	return special ? (unsigned)__builtin_ctzll(special) / 8 : 8;
}

/* To the first byte of a string that needs a look: a quote, a backslash, a control or non-ASCII character. */
static inline const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end)
{
	while (end - p >= 8) {
		uint64_t w;
		memcpy(&w, p, sizeof(w));
		unsigned n = plain_of_eight(le64toh(w));
		p += n;
		if (n < 8)
			return p;
	}
	while (p < end && !is_string_special[*p])
		p++;
	return p;
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit written by four hex digits, or -1. */
static int hex4(const unsigned char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_value(p[i]);
		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

/* Length of the escape sequence at p (a backslash), or 0. */
static size_t escape_length(const unsigned char *p, size_t n)
{
	if (n < 2 || !escapes[p[1]])
		return 0;
	if (p[1] != 'u')
		return 2;
	return n >= 6 && hex4(p + 2) >= 0 ? 6 : 0;
}

/* From behind the opening quote to behind the closing one, or NULL. */
static const unsigned char *scan_string(const unsigned char *p, const unsigned char *end)
{
	for (;;) {
		p = skip_plain(p, end);
		if (p == end)
			return NULL;
		size_t left = (size_t)(end - p), n = 0;
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			n = escape_length(p, left);
		else if (*p >= 0x80)
			n = utf8_wide_run(p, left);
		if (n == 0)
			return NULL;
		p += n;
	}
}

static inline const unsigned char *skip_digits(const unsigned char *p, const unsigned char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* Over at least one digit, or NULL. */
static const unsigned char *scan_digits(const unsigned char *p, const unsigned char *end)
{
	const unsigned char *behind = skip_digits(p, end);
	return behind == p ? NULL : behind;
}

static const unsigned char *scan_exponent(const unsigned char *p, const unsigned char *end)
{
	if (p < end && (*p == '+' || *p == '-'))
		p++;
	return scan_digits(p, end);
}

static const unsigned char *scan_number(const unsigned char *p, const unsigned char *end)
{
	if (*p == '-')
		p++;
	if (p < end && *p == '0')
		p++; /* a further digit is then no comma and no end, and fails as that */
	else
		p = scan_digits(p, end);
	if (p && p < end && *p == '.')
		p = scan_digits(p + 1, end);
	if (p && p < end && (*p | 0x20) == 'e')
		p = scan_exponent(p + 1, end);
	return p;
}

static const unsigned char *scan_word(const unsigned char *p, const unsigned char *end, struct str word)
{
	return (size_t)(end - p) >= word.n && memcmp(p, word.p, word.n) == 0 ? p + word.n : NULL;
}

static inline bool in_object(const struct scanner *s)
{
	unsigned top = s->depth - 1;
	return s->in_object[top / 64] >> top % 64 & 1;
}

static inline bool push(struct scanner *s, bool object)
{
	if (s->depth == JSON_DEPTH_MAX)
		return false;
	uint64_t bit = (uint64_t)1 << s->depth % 64;
	uint64_t *word = &s->in_object[s->depth / 64];
	*word = object ? *word | bit : *word & ~bit;
	s->depth++;
	return true;
}

static struct str span(const unsigned char *from, const unsigned char *to)
{
	return (struct str){(const char *)from, (size_t)(to - from)};
}

static void member_begins(struct scanner *s, struct str name)
{
	if (s->n < s->max)
		s->members[s->n] = (struct json_member){.name = name, .value = {(const char *)s->p, 0}};
	s->n++;
}

static void member_ends(struct scanner *s)
{
	if (s->n <= s->max) {
		struct str *value = &s->members[s->n - 1].value;
		value->n = (size_t)((const char *)s->p - value->p);
	}
}

/* A member's name, the colon, and up to its value. */
static enum step scan_name(struct scanner *s)
{
	skip_space(s);
	if (!take(s, '"'))
		return STEP_BAD;
	const unsigned char *from = s->p, *behind = scan_string(from, s->end);
	if (!behind)
		return STEP_BAD;
	s->p = behind;
	skip_space(s);
	if (!take(s, ':'))
		return STEP_BAD;
	skip_space(s);
	if (s->depth == 1 && s->members)
		member_begins(s, span(from, behind - 1));
	return STEP_MORE;
}

static enum step open_container(struct scanner *s, bool object)
{
	s->p++;
	if (!push(s, object))
		return STEP_BAD;
	skip_space(s);
	if (take(s, object ? '}' : ']')) {
		s->depth--;
		return STEP_DONE;
	}
	return object ? scan_name(s) : STEP_MORE;
}

static enum step scan_value(struct scanner *s)
{
	skip_space(s);
	if (s->p == s->end)
		return STEP_BAD;
	switch (*s->p) {
	case '{':
		return open_container(s, true);
	case '[':
		return open_container(s, false);
	case '"':
		s->p = scan_string(s->p + 1, s->end);
		break;
	case 't':
		s->p = scan_word(s->p, s->end, STR("true"));
		break;
	case 'f':
		s->p = scan_word(s->p, s->end, STR("false"));
		break;
	case 'n':
		s->p = scan_word(s->p, s->end, STR("null"));
		break;
	default:
		s->p = scan_number(s->p, s->end);
		break;
	}
	return s->p ? STEP_DONE : STEP_BAD;
}

/* Behind a value: closes all that closes there, or goes on to the next value. */
static enum step after_value(struct scanner *s)
{
	while (s->depth > 0) {
		bool object = in_object(s);
		if (s->depth == 1 && object && s->members)
			member_ends(s);
		skip_space(s);
		if (take(s, ','))
			return object ? scan_name(s) : STEP_MORE;
		if (!take(s, object ? '}' : ']'))
			return STEP_BAD;
		s->depth--;
	}
	return STEP_DONE;
}

static bool scan(struct scanner *s)
{
	enum step step = STEP_MORE;

	while (step == STEP_MORE) {
		step = scan_value(s);
		if (step == STEP_DONE)
			step = after_value(s);
	}
	if (step == STEP_BAD)
		return false;
	skip_space(s);
	return s->p == s->end;
}

static void scanner_init(struct scanner *s, struct str text)
{
	s->p = (const unsigned char *)text.p;
	s->end = s->p + text.n;
	s->depth = 0;
	s->members = NULL;
	s->max = s->n = 0;
}

bool json_valid(struct str text)
{
	struct scanner s;

	if (text.n == 0)
		return false;
	scanner_init(&s, text);
	return scan(&s);
}

int json_members(struct str text, struct json_member *members, size_t max, size_t *np)
{
	struct scanner s;

	*np = 0;
	if (text.n == 0)
		return JSON_E_INVALID;
	scanner_init(&s, text);
	s.members = members;
	s.max = max;
	skip_space(&s);
	if (s.p == s.end || *s.p != '{' || !scan(&s))
		return JSON_E_INVALID;
	*np = s.n < max ? s.n : max;
	return s.n > max ? JSON_E_TOO_MANY : 0;
}

/* Puts a code point as UTF-8; returns how many bytes. */
static size_t put_utf8(unsigned code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n - 1; i > 0; i--, code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(leads[n] | code);
	return n;
}

/* The code point of the \u escape at p, whose six bytes are there and right; *np is set to its length, 12 for a pair of
 * surrogates. -1: a surrogate alone. */
static int unicode_escape(const unsigned char *p, size_t left, size_t *np)
{
	int high = hex4(p + 2);

	*np = 6;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || left < 12 || p[6] != '\\' || p[7] != 'u')
		return -1;
	int low = hex4(p + 8);
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	*np = 12;
	return 0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00);
}

int json_unescape(struct str text, char *out, size_t *np)
{
	const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n;
	size_t n = 0;

	while (p < end) {
		const unsigned char *stop = memchr(p, '\\', (size_t)(end - p));
		size_t run = (size_t)((stop ? stop : end) - p);
		memcpy(out + n, p, run);
		n += run;
		p += run;
		if (!stop)
			break;
		size_t len = 2;
		if (p[1] == 'u') {
			int code = unicode_escape(p, (size_t)(end - p), &len);
			if (code < 0)
				return JSON_E_INVALID;
			n += put_utf8((unsigned)code, out + n);
		} else {
			out[n++] = escapes[p[1]];
		}
		p += len;
	}
	*np = n;
	return 0;
}

int json_string(struct str value, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)value.p;
	if (value.n < 2 || *p != '"' || scan_string(p + 1, p + value.n) != p + value.n)
		return JSON_E_INVALID;
	struct str inside = {value.p + 1, value.n - 2};
	char *at = buf_reserve(out, inside.n);
	if (!at)
		return -ENOMEM;
	size_t n;
	int r = json_unescape(inside, at, &n);
	if (r == 0)
		out->n += n;
	return r;
}

/* Bytes that cannot stand for themselves in a JSON string: the letter behind the backslash, 'u' for \u00XX. */
static const char escape_letters[256] = {
    [0x00 ... 0x07] = 'u', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',          [0x0b] = 'u',
    ['\f'] = 'f',          ['\r'] = 'r', ['"'] = '"',  [0x0e ... 0x1f] = 'u', ['\\'] = '\\',
};

size_t json_string_size(struct str text)
{
	size_t n = 2 + text.n;

	for (size_t i = 0; i < text.n; i++) {
		char letter = escape_letters[(unsigned char)text.p[i]];
		if (letter)
			n += letter == 'u' ? 5 : 1;
	}
	return n;
}

static char *put_escape(char *at, char letter, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";

	*at++ = '\\';
	*at++ = letter;
	if (letter == 'u') {
		*at++ = '0';
		*at++ = '0';
		*at++ = digits[c >> 4];
		*at++ = digits[c & 15];
	}
	return at;
}

void json_put_string(struct buf *out, struct str text)
{
	size_t size = json_string_size(text);
	char *at = buf_reserve(out, size);
	if (!at)
		return;
	out->n += size;
	*at++ = '"';
	for (size_t i = 0; i < text.n; i++) {
		char letter = escape_letters[(unsigned char)text.p[i]];
		if (letter)
			at = put_escape(at, letter, (unsigned char)text.p[i]);
		else
			*at++ = text.p[i];
	}
	*at = '"';
}

size_t json_base64_size(size_t n)
{
	return 2 + (n + 2) / 3 * 4;
}

void json_put_base64(struct buf *out, struct str bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)bytes.p;
	size_t size = json_base64_size(bytes.n);
	char *at = buf_reserve(out, size);

	if (!at)
		return;
	out->n += size;
	*at++ = '"';
	for (size_t left = bytes.n; left > 0;) {
		unsigned three = (unsigned)p[0] << 16 | (left > 1 ? (unsigned)p[1] << 8 : 0) | (left > 2 ? p[2] : 0u);
		*at++ = digits[three >> 18];
		*at++ = digits[three >> 12 & 63];
		*at++ = left > 1 ? digits[three >> 6 & 63] : '=';
		*at++ = left > 2 ? digits[three & 63] : '=';
		size_t used = left > 3 ? 3 : left;
		p += used;
		left -= used;
	}
	*at = '"';
}
