#include "bench/pick.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

struct dice dice_of(uint64_t seed)
{
	struct dice dice = {seed * UINT64_C(0x9e3779b97f4a7c15) | 1};

	/* Seeds that are close to each other are far apart after a few steps. */
	for (int i = 0; i < 4; i++)
		(void)dice_next(&dice);
	return dice;
}

uint64_t dice_next(struct dice *dice)
{
	dice->state ^= dice->state >> 12;
	dice->state ^= dice->state << 25;
	dice->state ^= dice->state >> 27;
	return dice->state * UINT64_C(0x2545f4914f6cdd1d);
}

uint32_t dice_below(struct dice *dice, uint32_t n)
{
	return (uint32_t)(((dice_next(dice) >> 32) * n) >> 32);
}

int pick_init(struct pick *pick, enum distribution distribution, uint32_t n)
{
	*pick = (struct pick){.distribution = distribution, .n = n};
	if (distribution == DISTRIBUTION_UNIFORM)
		return 0;
	pick->sums = calloc(n, sizeof(*pick->sums));
	if (!pick->sums)
		return -ENOMEM;
	double sum = 0;
	for (uint32_t i = 0; i < n; i++)
		pick->sums[i] = sum += 1.0 / (i + 1);
	return 0;
}

void pick_deinit(struct pick *pick)
{
	free(pick->sums);
	*pick = (struct pick){.n = 0};
}

uint32_t pick_next(const struct pick *pick, struct dice *dice)
{
	if (!pick->sums)
		return dice_below(dice, pick->n);
	double at = (double)(dice_next(dice) >> 11) / (double)(UINT64_C(1) << 53) * pick->sums[pick->n - 1];
	uint32_t low = 0, high = pick->n - 1;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (pick->sums[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
