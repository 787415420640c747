/* SipHash-2-4 (Aumasson and Bernstein, 2012): a short hash under a secret key, so that nobody who chooses the input can
 * choose where it collides. */
#ifndef GRID_BASE_SIPHASH_H
#define GRID_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct siphash_key {
	uint64_t k0, k1;
};

struct siphash {
	uint64_t v0, v1, v2, v3;
	uint64_t word; /* the bytes that do not fill a word yet, first one lowest */
	uint64_t n;    /* bytes so far */
};

/* `bytes` in the order of the paper: the reference key is 00 01 … 0f. */
struct siphash_key siphash_key_from(const uint8_t bytes[16]);

struct siphash siphash_begin(const struct siphash_key *key);
/* Pieces are hashed as if they were one: say where one ends, if that matters, with siphash_add_piece(). */
void siphash_add(struct siphash *h, const void *bytes, size_t n);
/* The piece's length, then the piece. */
void siphash_add_piece(struct siphash *h, struct str piece);
uint64_t siphash_end(const struct siphash *h);

#endif
