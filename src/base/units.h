/* Amounts as people write them: `25s`, `500ms`, `64K`. A plain number is in the smallest unit. */
#ifndef GRID_BASE_UNITS_H
#define GRID_BASE_UNITS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { UNITS_E_BAD = 1 };

struct unit {
	const char *suffix; /* NULL ends a table */
	int64_t factor;     /* of the smallest unit; tables go from large to small and end with factor 1 */
};

extern const struct unit units_none[];     /* plain numbers only */
extern const struct unit units_duration[]; /* milliseconds: d h m s ms */
extern const struct unit units_size[];     /* bytes, by 1024: G M K */

/* UNITS_E_BAD: not a whole number with one of the suffixes, or beyond 64 bits. */
GRID_MUST_CHECK int units_parse(const struct unit *units, const char *text, int64_t *out);
/* In the largest unit that divides it: 60000 ms is `1m`, 61000 `61s`. What units_parse() reads back. */
void units_put(const struct unit *units, int64_t value, struct buf *out);

#endif
