/* All that receives: which user each connection is, which rooms each user is in, and that they connect at a pace. */
#ifndef GRID_BENCH_FLEET_H
#define GRID_BENCH_FLEET_H

#include "bench/options.h"
#include "bench/receiver.h"

struct fleet {
	struct clients clients; /* publishers over websockets use it as well */
	struct receivers shared;
	struct receiver *receivers;
	uint32_t *rooms_of;
	uint32_t n;
	uint32_t n_started;
	uint64_t started_at_us;
};

enum { FLEET_E_USAGE = 1 };

/* FLEET_E_USAGE: a URL or a source address is wrong; `errp` says how. -ENOMEM. Deinit is due in any case. `dialect`,
 * `ledger` and `delivery` outlive it. */
GRID_MUST_CHECK int fleet_init(struct fleet *fleet, const struct bench_options *options, const struct dialect *dialect,
                               struct reactor *reactor, struct ledger *ledger, struct histogram *delivery,
                               struct buf *errp);
void fleet_deinit(struct fleet *fleet);
/* Starts as many connections as are due at this rate a second. */
void fleet_start(struct fleet *fleet, uint64_t rate);
/* All are welcomed and in their rooms. */
static inline bool fleet_complete(const struct fleet *fleet)
{
	return fleet->shared.complete == fleet->n;
}

/* It is not complete and will not be by waiting: nobody listens at any URL, or the grid has sent some away for good. */
bool fleet_hopeless(const struct fleet *fleet);
/* Why it is not complete, for people: lines. */
void fleet_why(const struct fleet *fleet, struct buf *out);

#endif
