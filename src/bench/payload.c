#include "bench/payload.h"

#include <endian.h>
#include <stddef.h>

#define HEAD "{\"b\":\""
#define TAIL "\"}"

/* Everything between the run's name and the padding, as it lies in memory: no field is aligned. */
struct fixed {
	char before_p[7], p[8];
	char before_k[7], kind, k[8];
	char before_n[7], n[16];
	char before_t[7], t[16];
	char before_pad[9];
};

static const struct fixed blank = {
    .before_p = "\",\"p\":\"",
    .before_k = "\",\"k\":\"",
    .before_n = "\",\"n\":\"",
    .before_t = "\",\"t\":\"",
    .before_pad = "\",\"pad\":\"",
};

_Static_assert(sizeof(struct fixed) == 86, "nothing lies between the fields");

#define OVERHEAD (sizeof(HEAD) - 1 + sizeof(struct fixed) + sizeof(TAIL) - 1)

size_t payload_size(struct str run, size_t size)
{
	return size > OVERHEAD + run.n ? size : OVERHEAD + run.n;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void put_digits(char *to, size_t n, uint64_t value)
{
	while (n > 0) {
		to[--n] = (char)('0' + value % 10);
		value /= 10;
	}
	GRID_ASSERT(value == 0);
}

void payload_put(struct buf *out, struct str run, const struct payload *payload, uint32_t rooms, size_t size)
{
	const struct message_id *id = &payload->id;
	struct fixed fixed = blank;
	bool room = id->target < rooms;
	size_t pad = payload_size(run, size) - OVERHEAD - run.n;

	fixed.kind = room ? 'r' : 'u';
	put_digits(fixed.p, sizeof(fixed.p), id->publisher);
	put_digits(fixed.k, sizeof(fixed.k), room ? id->target : id->target - rooms);
	put_digits(fixed.n, sizeof(fixed.n), id->number);
	put_digits(fixed.t, sizeof(fixed.t), payload->published_us);
	buf_puts(out, HEAD);
	buf_put_str(out, run);
	buf_put(out, &fixed, sizeof(fixed));
	char *p = buf_reserve(out, pad);
	if (!p)
		return;
	memset(p, 'x', pad);
	out->n += pad;
	buf_puts(out, TAIL);
}

void payload_stamp(struct buf *payload, struct str run, uint64_t published_us)
{
	size_t at = sizeof(HEAD) - 1 + run.n + offsetof(struct fixed, t);

	GRID_ASSERT(payload->n >= OVERHEAD + run.n);
	put_digits(payload->p + at, sizeof(blank.t), published_us);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Eight digits at once: pairs, then fours, then all of them are added up side by side in one register. Digit by digit
 * the numbers of a payload took 40 ns, twice what the whole payload takes now. False: there is something else among
 * them. */
static bool read_8(const char *p, uint64_t *out)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	v = le64toh(v) ^ UINT64_C(0x3030303030303030); /* '0' to '9' are 0 to 9 now, all else is more */
	if ((v | (v + UINT64_C(0x0606060606060606))) & UINT64_C(0xf0f0f0f0f0f0f0f0))
		return false;
	v = (v * 10 + (v >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
	v = (v * 100 + (v >> 16)) & UINT64_C(0x0000ffff0000ffff);
	*out = (v * 10000 + (v >> 32)) & UINT64_C(0xffffffff);
	return true;
}

static bool read_16(const char *p, uint64_t *out)
{
	uint64_t high, low;

	if (!read_8(p, &high) || !read_8(p + 8, &low))
		return false;
	*out = high * 100000000 + low;
	return true;
}

#define SAME(field) (memcmp(fixed->field, blank.field, sizeof(blank.field)) == 0)

static bool is_framed(const struct fixed *fixed)
{
	return SAME(before_p) && SAME(before_k) && SAME(before_n) && SAME(before_t) && SAME(before_pad);
}

bool payload_read(struct str text, struct str run, uint32_t rooms, struct payload *out)
{
	uint64_t publisher, index, number;

	if (text.n < OVERHEAD + run.n || !str_starts(text, STR(HEAD)) ||
	    memcmp(text.p + sizeof(HEAD) - 1, run.p, run.n) != 0)
		return false;
	const struct fixed *fixed = (const struct fixed *)(const void *)(text.p + sizeof(HEAD) - 1 + run.n);
	if (!is_framed(fixed) || (fixed->kind != 'r' && fixed->kind != 'u') || !read_8(fixed->p, &publisher) ||
	    !read_8(fixed->k, &index) || !read_16(fixed->n, &number) || !read_16(fixed->t, &out->published_us) ||
	    number >= UINT32_MAX)
		return false;
	bool user = fixed->kind == 'u';
	out->id.publisher = (uint32_t)publisher;
	out->id.target = (uint32_t)index + (user ? rooms : 0);
	out->id.number = (uint32_t)number;
	return user || index < rooms;
}
