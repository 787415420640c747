/* The loop: sockets by epoll, timers on a wheel, and how late it is. One thread.
 *
 * Nothing that comes wakes it: it looks at its sockets every REACTOR_LATEST_US, and when something is due. To be woken
 * would be work of who sends, on the same machine: of the server that is measured (bench/arrival.h). */
#ifndef GRID_BENCH_REACTOR_H
#define GRID_BENCH_REACTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/wheel.h"

struct watch;
struct timer;

typedef void watch_fn(struct watch *watch, uint32_t events); /* EPOLLIN … */
typedef void timer_fn(struct timer *timer);

/* Both lie in the structure they are about. */
struct watch {
	int fd; /* -1: not watched */
	watch_fn *fn;
};

struct timer {
	struct wheel_entry entry;
	timer_fn *fn;
};

#define REACTOR_EVENTS_MAX 1024
/* Long enough to be asleep, mostly, while a server sends to many: reading a socket that is being sent to slows that
 * down. */
#define REACTOR_LATEST_US 5000

struct reactor {
	int epoll_fd;
	struct epoll_event events[REACTOR_EVENTS_MAX]; /* those from `at` to `n` were not called back yet */
	int at, n;
	struct wheel wheel;
	uint64_t now_us;     /* monotonic; read again before each callback of a socket and each round of timers */
	uint64_t asked_us;   /* when it last knew of all that was ready */
	uint64_t max_lag_us; /* how late it knew at worst */
	int error;           /* what the run must end with: -errno */
};

/* -errno; deinit is due only after 0. */
GRID_MUST_CHECK int reactor_init(struct reactor *reactor);
void reactor_deinit(struct reactor *reactor);

/* -errno. The descriptor stays the caller's. */
GRID_MUST_CHECK int reactor_watch(struct reactor *reactor, struct watch *watch, int fd, uint32_t events);
void reactor_rewatch(struct reactor *reactor, struct watch *watch, uint32_t events);
/* Before the descriptor is closed. No callback comes for it any more, not even in the turn that is running. */
void reactor_unwatch(struct reactor *reactor, struct watch *watch);

void reactor_timer_set(struct reactor *reactor, struct timer *timer, uint64_t in_ms);
void reactor_timer_cancel(struct timer *timer);

/* One turn: sleeps until `due_us` (monotonic), REACTOR_LATEST_US at most, a quarter of a millisecond at least since the
 * last look at what is ready; calls that back, for about a millisecond, and the timers that are due. When much comes
 * the rest of it waits for the next turn, so that others who have a turn of their own, publishers, are on time. */
void reactor_turn(struct reactor *reactor, uint64_t due_us);
/* Something that cannot be gone on from, out of memory most of all: the first one counts. */
void reactor_fail(struct reactor *reactor, int error);

#endif
