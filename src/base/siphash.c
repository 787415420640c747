#include "base/siphash.h"

#include <endian.h>
#include <string.h>

static uint64_t rotate(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

static uint64_t little_endian(const uint8_t *bytes)
{
	uint64_t v;

	memcpy(&v, bytes, sizeof(v));
	return le64toh(v);
}

static void rounds(struct siphash *h, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		h->v0 += h->v1;
		h->v1 = rotate(h->v1, 13) ^ h->v0;
		h->v0 = rotate(h->v0, 32);
		h->v2 += h->v3;
		h->v3 = rotate(h->v3, 16) ^ h->v2;
		h->v0 += h->v3;
		h->v3 = rotate(h->v3, 21) ^ h->v0;
		h->v2 += h->v1;
		h->v1 = rotate(h->v1, 17) ^ h->v2;
		h->v2 = rotate(h->v2, 32);
	}
}

static void add_word(struct siphash *h, uint64_t word)
{
	h->v3 ^= word;
	rounds(h, 2);
	h->v0 ^= word;
}

static void add_byte(struct siphash *h, uint8_t byte)
{
	h->word |= (uint64_t)byte << 8 * (h->n % 8);
	if (++h->n % 8 == 0) {
		add_word(h, h->word);
		h->word = 0;
	}
}

struct siphash_key siphash_key_from(const uint8_t bytes[16])
{
	return (struct siphash_key){little_endian(bytes), little_endian(bytes + 8)};
}

struct siphash siphash_begin(const struct siphash_key *key)
{
	return (struct siphash){
	    .v0 = key->k0 ^ 0x736f6d6570736575,
	    .v1 = key->k1 ^ 0x646f72616e646f6d,
	    .v2 = key->k0 ^ 0x6c7967656e657261,
	    .v3 = key->k1 ^ 0x7465646279746573,
	};
}

void siphash_add(struct siphash *h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t i = 0;

	for (; i < n && h->n % 8; i++)
		add_byte(h, p[i]);
	for (; n - i >= 8; i += 8) {
		add_word(h, little_endian(p + i));
		h->n += 8;
	}
	for (; i < n; i++)
		add_byte(h, p[i]);
}

void siphash_add_piece(struct siphash *h, struct str piece)
{
	const uint64_t n = piece.n;

	siphash_add(h, &n, sizeof(n));
	siphash_add(h, piece.p, piece.n);
}

uint64_t siphash_end(const struct siphash *h)
{
	struct siphash last = *h;

	add_word(&last, last.word | last.n << 56);
	last.v2 ^= 0xff;
	rounds(&last, 4);
	return last.v0 ^ last.v1 ^ last.v2 ^ last.v3;
}
