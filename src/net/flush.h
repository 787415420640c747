/* When what waits for the sockets goes out.
 *
 * As long as there is something to read, there may be more to send to the same sockets, and it goes out together, but
 * not later than FLUSH_DELAY_US from when it was asked for. Idle, there is no delay.
 *
 * A flush of many sockets takes long itself, a send() each whether it carries one frame or fifty. So it is followed by
 * a pause as long as itself: the frames that come meanwhile share the next one's sends. Whoever has few sockets to send
 * to, or few messages, never sees a pause; nor does a node that had to wait for a core in the middle of it: what counts
 * is time on the core. Measured with 500 connections in a room, 6,000 messages/s: 0.19 instead of 0.32 us of CPU for a
 * delivery. (A pause three times as long: 0.14, but a room of 500 with 100 messages/s has a p99 of 10 ms then on a
 * machine that is slow at the moment, instead of 5.) */
#ifndef GRID_NET_FLUSH_H
#define GRID_NET_FLUSH_H

#include <ev.h>
#include <stdint.h>

#define FLUSH_DELAY_US 2000
#define FLUSH_REST_MIN_US 1000 /* a shorter one is not worth a timer, whose clock has milliseconds */
#define FLUSH_REST_MAX_US 8000
#define FLUSH_TIMED_US 1000000 /* after a long flush, the next ones are timed for so long */

/* Zeroed = rested. */
struct flush_pace {
	uint64_t rested_us; /* when the pause is over, on the monotonic clock */
};

/* How long to rest yet; 0: not at all. */
uint64_t flush_pace_rest_us(const struct flush_pace *pace, uint64_t now_us);
/* A flush that `took_us` of a core has ended now. */
void flush_pace_flushed(struct flush_pace *pace, uint64_t took_us, uint64_t now_us);

struct flusher {
	struct ev_loop *ev;
	struct ev_idle idle; /* nothing left to read, or */
	struct ev_timer due; /* that is late enough, or the pause is over */
	struct flush_pace pace;
	uint64_t timed_until_us; /* there was a long one not long ago */
	void (*flush)(void *arg);
	void *arg;
};

/* `ev` and `arg` outlive it. */
void flusher_init(struct flusher *f, struct ev_loop *ev, void (*flush)(void *arg), void *arg);
void flusher_stop(struct flusher *f);
/* `flush` will be called, from the loop. */
void flusher_soon(struct flusher *f);
/* Calls it now, if it is to be called when nothing is left to read: who asks has read what there was. */
void flusher_now(struct flusher *f);

#endif
