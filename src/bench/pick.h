/* Random numbers, and which of many is chosen how often. */
#ifndef GRID_BENCH_PICK_H
#define GRID_BENCH_PICK_H

#include <stdint.h>

#include "base/err.h"

/* xorshift64*; not 0. Good enough for loads and masks, not for secrets. */
struct dice {
	uint64_t state;
};

struct dice dice_of(uint64_t seed);
uint64_t dice_next(struct dice *dice);
/* Below n > 0. */
uint32_t dice_below(struct dice *dice, uint32_t n);

enum distribution {
	DISTRIBUTION_UNIFORM, /* all alike */
	DISTRIBUTION_ZIPF,    /* the i-th is chosen 1/i as often as the first */
};

struct pick {
	enum distribution distribution;
	uint32_t n;
	double *sums; /* ZIPF: of the weights up to each; NULL: uniform */
};

/* Of n > 0 things. -ENOMEM. */
GRID_MUST_CHECK int pick_init(struct pick *pick, enum distribution distribution, uint32_t n);
void pick_deinit(struct pick *pick);
uint32_t pick_next(const struct pick *pick, struct dice *dice);

#endif
