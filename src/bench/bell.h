/* How another thread makes the loop look: it rings, and the loop calls back. */
#ifndef GRID_BENCH_BELL_H
#define GRID_BENCH_BELL_H

#include "bench/reactor.h"

struct bell;

typedef void bell_fn(struct bell *bell);

struct bell {
	struct watch watch;
	struct reactor *reactor;
	bell_fn *fn;
};

/* -errno; deinit is due only after 0. */
GRID_MUST_CHECK int bell_init(struct bell *bell, struct reactor *reactor, bell_fn *fn);
void bell_deinit(struct bell *bell);
/* Any thread; `bell` is a struct bell *: fits mailbox_wake_fn. */
void bell_ring(void *bell);

#endif
