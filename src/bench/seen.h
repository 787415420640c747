/* The numbers of one stream that somebody has seen, as ranges. What comes complete and in order is one range, however
 * much it is; each gap costs eight bytes. */
#ifndef GRID_BENCH_SEEN_H
#define GRID_BENCH_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct seen_range {
	uint32_t from, to; /* `to` is not in it */
};

/* All zero: nothing seen. */
struct seen {
	uint32_t n;   /* ranges, in order, with gaps between them */
	uint32_t cap; /* 0: there is room for one, in here */
	union {
		struct seen_range one;
		struct seen_range *many;
	} at;
};

enum { SEEN_E_AGAIN = 1 };

/* Adds a number below UINT32_MAX. SEEN_E_AGAIN: it is there already. -ENOMEM: not added. */
GRID_MUST_CHECK int seen_add(struct seen *seen, uint32_t number);
void seen_deinit(struct seen *seen);

static inline const struct seen_range *seen_ranges(const struct seen *seen)
{
	return seen->cap ? seen->at.many : &seen->at.one;
}

/* Was a larger number seen? */
static inline bool seen_beyond(const struct seen *seen, uint32_t number)
{
	return seen->n && seen_ranges(seen)[seen->n - 1].to > number + 1;
}

#endif
