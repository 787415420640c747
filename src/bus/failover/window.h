/* What this node has published lately, answered or not, so that it can be published again over the other bus: a
 * confirmed message that lay in the memory of a broker dies with it.
 *
 *   oldest                                                        youngest
 *   ┌──────┬──────┬──────┬──────┬──────┬──────┐
 *   │ kept │ kept │ kept │ kept │ kept │ kept │ ◀── core publishes
 *   └──────┴──────┴──────┴──────┴──────┴──────┘
 *     │ older than the window, or too many bytes: falls out (but not before core has its
 *       answer, nor, as long as there is room, while a copy waits to be sent)
 *
 * Each has a copy on its way over none, one or both of the buses:
 *
 *   NONE ──▶ WAITING ──▶ SENT ──▶ CONFIRMED, UNROUTED, FAILED
 *              ▲                      │
 *              └──── once more ───────┘
 *
 * What has fallen out lives until its last copy is back. Pure: no clock, no bus. */
#ifndef GRID_BUS_FAILOVER_WINDOW_H
#define GRID_BUS_FAILOVER_WINDOW_H

#include "bus/bus.h"
#include "bus/failover/sides.h"

#define LANES 64 /* answers come in order for one key: by lanes of keys */

enum copy_stage { COPY_NONE, COPY_WAITING, COPY_SENT, COPY_CONFIRMED, COPY_UNROUTED, COPY_FAILED };

struct copy {
	struct kept *prev, *next; /* in the list of those waiting, or sent */
	uint64_t sent_ms;
	uint8_t stage;  /* enum copy_stage */
	uint8_t reach;  /* enum bus_reach */
	bool confirmed; /* once: whatever becomes of it when it goes once more, core may be told so */
	bool again;     /* once more when the answer is here: a peer has asked, and may not have been there when it went */
};

struct kept {
	struct kept *prev, *next;           /* in the window */
	struct kept *lane_prev, *lane_next; /* of those not answered */
	struct bus_publication *asked;      /* core's, until it is answered; NULL then */
	struct bus_publication *original;   /* ours: numbered; the copies point into it */
	struct copy on[SIDES];
	uint64_t at_ms;
	uint64_t number; /* in the window */
	uint8_t lane;
	bool in_window;
};

struct window_limits {
	uint64_t keep_ms;
	size_t bytes;
};

struct window {
	struct window_limits limits;
	struct kept *all; /* oldest first */
	struct kept *lanes[LANES];
	struct kept *waiting[SIDES]; /* to be sent, oldest first */
	struct kept *sent[SIDES];
	uint64_t last_number;
	size_t n;
	size_t bytes;
	size_t unanswered;
	uint64_t crowded_out; /* fell out before their time, for want of room */
};

void window_init(struct window *w, const struct window_limits *limits);
/* Frees all. Those who had copies that were sent have freed them, and say nothing more. */
void window_deinit(struct window *w);

/* Keeps what core asks to be published, numbered; `hash` is of its key. NULL: out of memory, and it still is core's. */
struct kept *window_add(struct window *w, struct bus_publication *asked, uint64_t seq, uint64_t hash, uint64_t now_ms);
/* Puts a copy at the end of those waiting; or before those that were published later. */
void window_queue(struct window *w, struct kept *kept, enum side side, enum bus_reach reach);
void window_queue_in_order(struct window *w, struct kept *kept, enum side side, enum bus_reach reach);
/* It waits there no more, as if it had never been queued. */
void window_unqueue(struct window *w, struct kept *kept, enum side side);
/* The same for all. */
void window_unqueue_all(struct window *w, enum side side);
/* Orders those waiting by age, as they were published. */
void window_sort(struct window *w, enum side side);
/* A block for the driver: what is to be published, whose token is `kept`. NULL when out of memory. */
struct bus_publication *kept_copy(struct kept *kept, enum bus_reach reach);
/* The side took the copy; the side has answered. `kept` may be gone after that. */
void window_sent(struct window *w, struct kept *kept, enum side side, enum bus_reach reach, uint64_t now_ms);
void window_outcome(struct window *w, struct kept *kept, enum side side, enum bus_publish_result result);
/* Core is being told: returns its publication. `forget`: nobody is to get it who has not got it by now. `kept` may be
 * gone. */
struct bus_publication *window_answer(struct window *w, struct kept *kept, bool forget);
/* Lets fall out what has to. */
void window_prune(struct window *w, uint64_t now_ms);

/* Since when the oldest copy under way has been so; UINT64_MAX: none is. */
uint64_t window_oldest_ms(const struct window *w, enum side side);

#endif
