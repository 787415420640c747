/* Publishes that the broker has not answered: when each was sent. Tags count from 1. Pure. */
#ifndef GRID_BENCH_BARE_UNCONFIRMED_H
#define GRID_BENCH_BARE_UNCONFIRMED_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/histogram.h"
#include "base/err.h"

struct unconfirmed {
	uint64_t *sent_us; /* of each tag, modulo size; 0: answered */
	uint32_t size;
	uint64_t oldest; /* the first tag that is not answered */
	uint64_t next;   /* the next publish's */
};

/* At most `size` are on their way. -ENOMEM. */
GRID_MUST_CHECK int unconfirmed_init(struct unconfirmed *u, uint32_t size);
void unconfirmed_deinit(struct unconfirmed *u);

static inline uint32_t unconfirmed_n(const struct unconfirmed *u)
{
	return (uint32_t)(u->next - u->oldest);
}
/* Is there room for one more? After an answer out of order there may not be, though fewer are unanswered. */
static inline bool unconfirmed_open(const struct unconfirmed *u)
{
	return unconfirmed_n(u) < u->size;
}
/* One was sent at `now_us` > 0; there is room. */
void unconfirmed_add(struct unconfirmed *u, uint64_t now_us);
/* The broker answered `tag`, or all up to it. Their times go into `times`. How many were answered by that. */
uint32_t unconfirmed_answer(struct unconfirmed *u, uint64_t tag, bool multiple, uint64_t now_us,
                            struct histogram *times);

#endif
