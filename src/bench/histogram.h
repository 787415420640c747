/* A histogram of times: buckets that grow with the value, so that any percentile is known to 1.6 %, in 18 KB, whatever
 * comes. Values up to 64 microseconds are exact. */
#ifndef GRID_BENCH_HISTOGRAM_H
#define GRID_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6 /* 64 buckets for each doubling */
#define HISTOGRAM_DOUBLINGS 36
#define HISTOGRAM_BUCKETS ((HISTOGRAM_DOUBLINGS + 1) << HISTOGRAM_SUB_BITS)

/* All zero: empty. */
struct histogram {
	uint64_t buckets[HISTOGRAM_BUCKETS];
	uint64_t n;
	uint64_t max_us;
};

/* What is beyond the last bucket (about 50 days) counts in it; `max_us` is exact. */
void histogram_add(struct histogram *h, uint64_t us);
/* From then to now; 0 when that is before then, by the little that two clocks disagree. */
void histogram_add_since(struct histogram *h, uint64_t then_us, uint64_t now_us);
/* The least value that `share` (0 < share <= 1) of all values are not above, rounded up to its bucket's end and never
 * above the maximum. 0: there are none. */
uint64_t histogram_at(const struct histogram *h, double share);

#endif
