/* What the fuzz targets have in common: input is cut into pieces, and properties are asserted. */
#ifndef GRID_TESTS_FUZZ_H
#define GRID_TESTS_FUZZ_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The piece up to the next 0xfe (a byte no UTF-8 has; none left: all of it); takes it and the 0xfe off `rest`. An empty
 * piece is an absent one. */
static inline struct str fuzz_piece(struct str *rest)
{
	const char *end = rest->n ? memchr(rest->p, 0xfe, rest->n) : NULL;
	struct str piece = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
	size_t used = piece.n + (end != NULL);
	rest->p += used;
	rest->n -= used;
	return piece.n ? piece : STR_NONE;
}

#endif
