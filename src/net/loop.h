/* The one event loop of the process (libev, epoll): timers, signals, and wake-ups from other threads. libwebsockets
 * runs on it as a guest (net/server.h). */
#ifndef GRID_NET_LOOP_H
#define GRID_NET_LOOP_H

#include <stdint.h>

#include "base/err.h"

struct loop;
struct loop_waker;
struct loop_timer;
struct loop_signal;

typedef void loop_fn(void *arg);

GRID_MUST_CHECK int loop_new(struct loop **loopp);
struct loop *loop_free(struct loop *loop); /* takes and returns NULL; watchers must have been freed */
/* Runs until loop_stop(); returns with all callbacks finished, so that what they used can be freed. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* `fn` runs on the loop thread soon after loop_wake(), which any thread may call. Several wake-ups may become one. */
GRID_MUST_CHECK int loop_waker_new(struct loop *loop, loop_fn *fn, void *arg, struct loop_waker **wakerp);
struct loop_waker *loop_waker_free(struct loop_waker *waker);
void loop_wake(void *waker); /* struct loop_waker *; fits bus_env.wake */

/* Every `interval_ms`, first after one interval. */
GRID_MUST_CHECK int loop_timer_new(struct loop *loop, uint64_t interval_ms, loop_fn *fn, void *arg,
                                   struct loop_timer **timerp);
struct loop_timer *loop_timer_free(struct loop_timer *timer);

GRID_MUST_CHECK int loop_signal_new(struct loop *loop, int signum, loop_fn *fn, void *arg,
                                    struct loop_signal **signalp);
struct loop_signal *loop_signal_free(struct loop_signal *signal);

#endif
