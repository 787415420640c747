#include "bench/payload.h"

static void put_field(struct buf *out, const char *name, uint64_t value)
{
	buf_puts(out, name);
	buf_put_u64(out, value);
}

static void pad(struct buf *out, size_t n)
{
	char *p = buf_reserve(out, n);
	if (!p)
		return;
	memset(p, 'x', n);
	out->n += n;
}

void payload_put(struct buf *out, struct str run, const struct payload *payload, uint32_t rooms, size_t size)
{
	const struct message_id *id = &payload->id;
	bool room = id->target < rooms;
	size_t start = out->n;

	buf_puts(out, "{\"b\":\"");
	buf_put_str(out, run);
	put_field(out, "\",\"p\":", id->publisher);
	put_field(out, room ? ",\"k\":\"r" : ",\"k\":\"u", room ? id->target : id->target - rooms);
	put_field(out, "\",\"n\":", id->number);
	put_field(out, ",\"t\":", payload->published_us);
	buf_puts(out, ",\"pad\":\"");
	size_t used = out->n - start + sizeof("\"}") - 1;
	if (used < size)
		pad(out, size - used);
	buf_puts(out, "\"}");
}

/* Takes `literal` off the front of the text. */
static bool take(struct str *text, struct str literal)
{
	if (!str_starts(*text, literal))
		return false;
	*text = (struct str){text->p + literal.n, text->n - literal.n};
	return true;
}

/* `literal` and a number behind it. */
static bool take_number(struct str *text, struct str literal, uint64_t max, uint64_t *out)
{
	if (!take(text, literal))
		return false;
	uint64_t value = 0;
	size_t n = 0;
	for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++) {
		uint64_t digit = (uint64_t)(text->p[n] - '0');
		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*text = (struct str){text->p + n, text->n - n};
	*out = value;
	return n > 0;
}

bool payload_read(struct str text, struct str run, uint32_t rooms, struct payload *out)
{
	uint64_t publisher, index, number;

	if (!take(&text, STR("{\"b\":\"")) || !take(&text, run) ||
	    !take_number(&text, STR("\",\"p\":"), UINT32_MAX, &publisher))
		return false;
	bool user = str_starts(text, STR(",\"k\":\"u"));
	if (!take_number(&text, user ? STR(",\"k\":\"u") : STR(",\"k\":\"r"), INT32_MAX, &index) ||
	    !take_number(&text, STR("\",\"n\":"), UINT32_MAX - 1, &number) ||
	    !take_number(&text, STR(",\"t\":"), INT64_MAX, &out->published_us) || !take(&text, STR(",\"pad\":\"")))
		return false;
	out->id.publisher = (uint32_t)publisher;
	out->id.target = (uint32_t)index + (user ? rooms : 0);
	out->id.number = (uint32_t)number;
	return user || index < rooms;
}
