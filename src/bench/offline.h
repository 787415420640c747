/* Looks into the offline queue, as whoever serves absent users does: consumes it with the account of workers on a
 * connection and thread of its own. Messages of this run are reported and acknowledged. All others are held, without
 * acknowledgement, until the end, and go back to their places in the queue when the connection closes: meanwhile no
 * other consumer sees them. */
#ifndef GRID_BENCH_OFFLINE_H
#define GRID_BENCH_OFFLINE_H

#include "base/mailbox.h"
#include "bench/amqp_link.h"
#include "bench/bell.h"
#include "bench/ledger.h"

struct offline {
	struct amqp_link link;
	struct bell bell; /* rung when something is in `found` */
	struct mailbox *found;
	struct ledger *ledger; /* the loop's */
	struct str run;
	uint32_t rooms;
	char queue[64];
	atomic_uint held; /* messages of others */
};

/* AMQP_LINK_E_URI, -errno; deinit is due only after 0. The texts outlive it. */
GRID_MUST_CHECK int offline_init(struct offline *offline, struct reactor *reactor, struct ledger *ledger,
                                 const char *uri, const char *prefix, struct str run, uint32_t rooms);
void offline_stop(struct offline *offline);
void offline_deinit(struct offline *offline);
/* Connects. -errno. */
GRID_MUST_CHECK int offline_start(struct offline *offline);

#endif
