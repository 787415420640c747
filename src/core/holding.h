/* Deliveries until they are settled: one for users stays here until each of them has his copy on a socket, or its time
 * is over, or too many wait. So the bus keeps what no socket has taken.
 *
 *   holding_add ──▶ FRESH ──── flushed, all placed ───▶ READY ──▶ holding_next: to be settled
 *                     │                                  ▲
 *                     │ flushed, some are not            │ placed (accepted), time over or no room (stray),
 *                     └─────────────▶ HELD ──────────────┘ expired (rejected)
 *
 * A copy is *placed* when the transport takes the frame from a queue of one of the user's sessions. That is told by the
 * frame itself: its `notice` is the delivery, from holding_add() until the delivery is READY; afterwards the frame may
 * still lie in queues of slow clients, and is a frame like any other. Whoever of the users comes while it waits is
 * offered it, in order of arrival, before anything later.
 *
 * All deliveries pass through here in order of arrival, those that need no keeping too, so that what is settled between
 * two flushes is acknowledged at once. It knows no bus, no sessions and no clock. */
#ifndef GRID_CORE_HOLDING_H
#define GRID_CORE_HOLDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"
#include "bus/bus.h"

struct holding_limits {
	uint64_t hold_ms;       /* how long one is held */
	uint64_t hold_until_ms; /* no time is over before this moment */
	size_t max;             /* held at once; the oldest makes room */
};

struct holding_counters {
	struct counter held;
	struct counter delivered;
	struct counter over_time;
	struct counter over_room;
	struct counter expired;
};

struct holding {
	struct holding_limits limits;
	struct bus_delivery *fresh; /* came since the last flush */
	struct bus_delivery *held;  /* soonest due first, which is in order of arrival */
	struct bus_delivery *ready;
	size_t n_held;
	struct metric_registry *metrics;
	struct metric_set metric_set;
	struct holding_counters counters;
};

void holding_init(struct holding *h, const struct holding_limits *limits, struct metric_registry *metrics);
/* No time is over before this moment, which is not before the one of the last call. */
void holding_hold_until(struct holding *h, uint64_t until_ms);
/* Nothing may be left: see holding_forget(). */
void holding_deinit(struct holding *h);

/* A delivery that came, before its frames go into any queue: it waits for all its users, and will be settled as
 * accepted. False: it has expired, and no frame of it goes anywhere. */
bool holding_add(struct holding *h, struct bus_delivery *d, uint64_t now_ms);
/* The user's copy of a delivery that waits is on a socket, or need not be kept. True: the last one of a delivery that
 * is held, so that a holding_next() is due. */
bool holding_placed(struct holding *h, struct bus_delivery *d, const struct key *user);
/* A fresh one, no use in waiting: it will be settled like this. */
void holding_decide(struct bus_delivery *d, enum bus_settle_how how);

/* Takes a copy for the user who came, or says that there is no room for it: then it is not held any longer. May call
 * holding_placed() for what was offered before. */
typedef bool holding_offer_fn(void *arg, struct msgbuf *frame);
/* Offers all that waits for this user, oldest first. */
void holding_offer(struct holding *h, const struct key *user, uint64_t now_ms, holding_offer_fn *offer, void *arg);

/* The sessions have been flushed: what is fresh and has not been taken is held from now on. */
void holding_flushed(struct holding *h, uint64_t now_ms);
/* Ends what is over. */
void holding_tick(struct holding *h, uint64_t now_ms);
/* Takes the next one that is ready, and how to settle it; NULL: none. */
struct bus_delivery *holding_next(struct holding *h, enum bus_settle_how *howp);
/* The bus is about to be closed and keeps, or frees, whatever is not settled. */
void holding_forget(struct holding *h);

#endif
