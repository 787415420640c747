#include "bench/seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 4

static struct seen_range *ranges_of(struct seen *seen)
{
	return seen->cap ? seen->at.many : &seen->at.one;
}

void seen_deinit(struct seen *seen)
{
	if (seen->cap)
		free(seen->at.many);
	*seen = (struct seen){0};
}

/* How many ranges begin at `number` or below it. The last ones are looked at first: numbers come nearly in order. */
static uint32_t ranges_until(const struct seen *seen, uint32_t number)
{
	const struct seen_range *ranges = seen_ranges(seen);
	uint32_t low = 0, high = seen->n;

	if (high && ranges[high - 1].from <= number)
		return high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (ranges[middle].from <= number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int make_room(struct seen *seen)
{
	if (seen->n < (seen->cap ? seen->cap : 1))
		return 0;
	uint32_t cap = seen->cap ? seen->cap * 2 : FIRST_CAP;
	struct seen_range *many = realloc(seen->cap ? seen->at.many : NULL, cap * sizeof(*many));
	if (!many)
		return -ENOMEM;
	if (!seen->cap)
		many[0] = seen->at.one;
	seen->at.many = many;
	seen->cap = cap;
	return 0;
}

static int insert(struct seen *seen, uint32_t at, uint32_t number)
{
	int r = make_room(seen);
	if (r != 0)
		return r;
	struct seen_range *ranges = ranges_of(seen);
	memmove(ranges + at + 1, ranges + at, (seen->n - at) * sizeof(*ranges));
	ranges[at] = (struct seen_range){number, number + 1};
	seen->n++;
	return 0;
}

/* The gap between range `at - 1` and range `at` is closed. */
static void join_ranges(struct seen *seen, uint32_t at)
{
	struct seen_range *ranges = ranges_of(seen);

	ranges[at - 1].to = ranges[at].to;
	memmove(ranges + at, ranges + at + 1, (seen->n - at - 1) * sizeof(*ranges));
	seen->n--;
}

int seen_add(struct seen *seen, uint32_t number)
{
	uint32_t at = ranges_until(seen, number);
	struct seen_range *ranges = ranges_of(seen);

	if (at > 0 && number < ranges[at - 1].to)
		return SEEN_E_AGAIN;
	bool touches_left = at > 0 && ranges[at - 1].to == number;
	bool touches_right = at < seen->n && ranges[at].from == number + 1;
	if (!touches_left && !touches_right)
		return insert(seen, at, number);
	if (touches_left)
		ranges[at - 1].to++;
	else
		ranges[at].from--;
	if (touches_left && touches_right)
		join_ranges(seen, at);
	return 0;
}
