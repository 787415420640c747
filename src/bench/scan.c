#include "bench/scan.h"

#include <stddef.h>

#include "base/err.h"

struct cursor {
	const char *p, *end;
};

static const struct member {
	struct str name;
	size_t offset;
} members[] = {
#define MEMBER(name)                                                                                                   \
	{                                                                                                                  \
		{#name, sizeof(#name) - 1}, offsetof(struct scan, name)                                                        \
	}
    MEMBER(op),      MEMBER(ref), MEMBER(room),      MEMBER(code),     MEMBER(data),
    MEMBER(session), MEMBER(sid), MEMBER(heartbeat), MEMBER(retry_ms),
#undef MEMBER
};

static void skip_blanks(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
		c->p++;
}

static bool take(struct cursor *c, char wanted)
{
	skip_blanks(c);
	if (c->p == c->end || *c->p != wanted)
		return false;
	c->p++;
	return true;
}

/* Behind the opening quote; past the closing one. */
static bool string(struct cursor *c, struct str *out)
{
	const char *start = c->p;

	while (c->p < c->end) {
		const char *quote = memchr(c->p, '"', (size_t)(c->end - c->p));
		if (!quote)
			return false;
		size_t escapes = 0;
		while (quote - escapes > start && quote[-1 - (ptrdiff_t)escapes] == '\\')
			escapes++;
		c->p = quote + 1;
		if (escapes % 2 == 0) {
			*out = (struct str){start, (size_t)(quote - start)};
			return true;
		}
	}
	return false;
}

/* An object or array, from its bracket on. */
static bool nested(struct cursor *c, struct str *out)
{
	const char *start = c->p;
	struct str ignored;
	int depth = 0;

	while (c->p < c->end) {
		char byte = *c->p++;
		if (byte == '"' && !string(c, &ignored))
			return false;
		if (byte == '{' || byte == '[')
			depth++;
		else if ((byte == '}' || byte == ']') && --depth == 0) {
			*out = (struct str){start, (size_t)(c->p - start)};
			return true;
		}
	}
	return false;
}

static bool value(struct cursor *c, struct str *out)
{
	skip_blanks(c);
	if (c->p == c->end)
		return false;
	if (*c->p == '"') {
		c->p++;
		return string(c, out);
	}
	if (*c->p == '{' || *c->p == '[')
		return nested(c, out);
	const char *start = c->p;
	while (c->p < c->end && *c->p != ',' && *c->p != '}' && *c->p != ' ')
		c->p++;
	*out = (struct str){start, (size_t)(c->p - start)};
	return out->n > 0;
}

static void keep(struct scan *out, struct str name, struct str text)
{
	for (const struct member *m = members; m < members + GRID_ARRAY_LEN(members); m++)
		if (str_eq(m->name, name))
			*(struct str *)(void *)((char *)out + m->offset) = text;
}

bool scan_frame(struct str text, struct scan *out)
{
	struct cursor c = {text.p, text.p + text.n};
	struct str name, found;

	*out = (struct scan){.op = STR_NONE};
	if (!take(&c, '{'))
		return false;
	if (take(&c, '}'))
		return true;
	do {
		if (!take(&c, '"') || !string(&c, &name) || !take(&c, ':') || !value(&c, &found))
			return false;
		keep(out, name, found);
	} while (take(&c, ','));
	return take(&c, '}');
}

uint64_t scan_number(struct str value)
{
	uint64_t number = 0;

	for (size_t i = 0; i < value.n && value.p[i] >= '0' && value.p[i] <= '9' && number < UINT64_MAX / 100; i++)
		number = number * 10 + (uint64_t)(value.p[i] - '0');
	return number;
}
