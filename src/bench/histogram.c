#include "bench/histogram.h"

#include "base/err.h"

#define SUB (UINT64_C(1) << HISTOGRAM_SUB_BITS)

/* Below 2 * SUB a value is its own bucket; above, each doubling has SUB buckets. */
static unsigned bucket_of(uint64_t us)
{
	if (us < SUB)
		return (unsigned)us;
	unsigned shift = 63u - (unsigned)__builtin_clzll(us) - HISTOGRAM_SUB_BITS;
	uint64_t bucket = ((uint64_t)shift << HISTOGRAM_SUB_BITS) + (us >> shift);
	return bucket < HISTOGRAM_BUCKETS ? (unsigned)bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
	if (bucket < SUB)
		return bucket;
	unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
	uint64_t first = (uint64_t)(bucket - (shift << HISTOGRAM_SUB_BITS)) << shift;
	return first + (UINT64_C(1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t us)
{
	h->buckets[bucket_of(us)]++;
	h->n++;
	if (us > h->max_us)
		h->max_us = us;
}

void histogram_add_since(struct histogram *h, uint64_t then_us, uint64_t now_us)
{
	histogram_add(h, now_us > then_us ? now_us - then_us : 0);
}

uint64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t seen = 0;
	uint64_t wanted = (uint64_t)(share * (double)h->n);

	if ((double)wanted < share * (double)h->n)
		wanted++;
	for (unsigned i = 0; i < GRID_ARRAY_LEN(h->buckets); i++) {
		seen += h->buckets[i];
		if (seen && seen >= wanted)
			return i == HISTOGRAM_BUCKETS - 1 || bucket_end(i) > h->max_us ? h->max_us : bucket_end(i);
	}
	return 0;
}
