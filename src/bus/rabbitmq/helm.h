/* Who works a link: its own thread, or the loop.
 *
 *            helm_lend(): nothing is under way that may have to be waited for
 *   thread ──────────────────────────────────────────────────────────────────▶ loop
 *          ◀──────────────────────────────────────────────────────────────────
 *            helm_give_back(): something is, or there is much to do, or the link is lost
 *
 * The loop only takes what the socket has and writes what it takes at once; a link is opened, asked, blocked and closed
 * by its thread. A message that comes alone and has to pass from thread to thread wakes two of them, and a wake-up
 * costs more than all that is done with the message (docs/decisions/026).
 *
 * Whoever has the helm has the link and all that goes with it: it is the only thing here that two threads look at. */
#ifndef GRID_BUS_RABBITMQ_HELM_H
#define GRID_BUS_RABBITMQ_HELM_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus/bus.h"

struct link;

struct helm {
	struct link *link;
	struct bus_env env; /* of it the loop, and how to ask for a turn of the bus */
	atomic_bool with_loop;
	int outcome; /* what the loop gave back */
	/* Holds the link's socket while the loop watches it. One in between, since libev never takes a descriptor out of
	 * its own, and that of a link is closed, and its number used again, by another thread. */
	int epoll_fd;
	bool watching;
	struct ev_io readable;
	struct ev_timer due;
	bool came;           /* the socket has something */
	bool is_due;         /* the time that helm_end_turn() was given is over */
	uint64_t look_at_ms; /* when to look at it all the same: heartbeats are seen to by reading */
};

/* Before the thread starts. `link` outlives it, `env` is copied. -errno; deinit is due only after 0. */
GRID_MUST_CHECK int helm_init(struct helm *h, struct link *link, const struct bus_env *env);
/* When the thread has ended. */
void helm_deinit(struct helm *h);

/* Thread: lends the link to the loop and waits until it is back, or it is time to stop. 0: go on; negative: it is
 * lost, as link_read() would say. */
int helm_lend(struct helm *h);

/* The loop. */
bool helm_with_loop(const struct helm *h);
/* A turn of the bus begins, which is for both links: has this one nothing to read, is its time not over, and was its
 * socket looked at not long ago? */
bool helm_nothing_came(const struct helm *h, uint64_t now_ms);
/* This link has its turn: has the socket something to read? link_read() is told, too. */
bool helm_begin_turn(struct helm *h, uint64_t now_ms);
/* It has ended: the next one comes when the socket has something, or in `wait_ms`. (Or gives back: it cannot be
 * watched.)
 */
void helm_end_turn(struct helm *h, uint64_t wait_ms);
/* There is something to do that comes from the loop itself. */
void helm_turn_soon(struct helm *h);
/* `outcome` is for the thread: 0, or the link is lost. */
void helm_give_back(struct helm *h, int outcome);

#endif
