#include "net/loop.h"

#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stdlib.h>

#include "net/loop_ev.h"

struct loop {
	struct ev_loop *ev;
	bool stopped;
};

struct ev_loop *loop_ev(struct loop *loop)
{
	return loop->ev;
}

int loop_new(struct loop **loopp)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;
	/* Not what LIBEV_FLAGS says: the figures in docs/architecture.md are epoll's. */
	loop->ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
	if (!loop->ev) {
		free(loop);
		return errno ? -errno : -ENOMEM;
	}
	*loopp = loop;
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (loop) {
		ev_loop_destroy(loop->ev);
		free(loop);
	}
	return NULL;
}

void loop_run(struct loop *loop)
{
	/* A loop without watchers would return at once; ours ends when told to, also when told before it began. */
	if (loop->stopped)
		return;
	ev_ref(loop->ev);
	ev_run(loop->ev, 0);
	ev_unref(loop->ev);
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
	ev_break(loop->ev, EVBREAK_ALL);
}

struct loop_waker {
	struct ev_async async;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
};

static void on_async(struct ev_loop *ev, struct ev_async *async, int revents)
{
	struct loop_waker *waker = async->data;
	(void)ev;
	(void)revents;
	waker->fn(waker->arg);
}

int loop_waker_new(struct loop *loop, loop_fn *fn, void *arg, struct loop_waker **wakerp)
{
	struct loop_waker *waker = calloc(1, sizeof(*waker));
	if (!waker)
		return -ENOMEM;
	waker->loop = loop;
	waker->fn = fn;
	waker->arg = arg;
	ev_async_init(&waker->async, on_async);
	waker->async.data = waker;
	ev_async_start(loop->ev, &waker->async);
	*wakerp = waker;
	return 0;
}

struct loop_waker *loop_waker_free(struct loop_waker *waker)
{
	if (waker) {
		ev_async_stop(waker->loop->ev, &waker->async);
		free(waker);
	}
	return NULL;
}

void loop_wake(void *arg)
{
	struct loop_waker *waker = arg;
	ev_async_send(waker->loop->ev, &waker->async);
}

struct loop_timer {
	struct ev_timer timer;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
};

static void on_timer(struct ev_loop *ev, struct ev_timer *ev_timer, int revents)
{
	struct loop_timer *timer = ev_timer->data;
	(void)ev;
	(void)revents;
	timer->fn(timer->arg);
}

int loop_timer_new(struct loop *loop, uint64_t interval_ms, loop_fn *fn, void *arg, struct loop_timer **timerp)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));
	if (!timer)
		return -ENOMEM;
	timer->loop = loop;
	timer->fn = fn;
	timer->arg = arg;
	double seconds = (double)interval_ms / 1000.0;
	ev_timer_init(&timer->timer, on_timer, seconds, seconds);
	timer->timer.data = timer;
	/* The loop's idea of now may be from long ago, when it has not run yet. */
	ev_now_update(loop->ev);
	ev_timer_start(loop->ev, &timer->timer);
	*timerp = timer;
	return 0;
}

struct loop_timer *loop_timer_free(struct loop_timer *timer)
{
	if (timer) {
		ev_timer_stop(timer->loop->ev, &timer->timer);
		free(timer);
	}
	return NULL;
}

struct loop_signal {
	struct ev_signal watcher;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
};

static void on_signal(struct ev_loop *ev, struct ev_signal *watcher, int revents)
{
	struct loop_signal *signal = watcher->data;
	(void)ev;
	(void)revents;
	signal->fn(signal->arg);
}

int loop_signal_new(struct loop *loop, int signum, loop_fn *fn, void *arg, struct loop_signal **signalp)
{
	struct loop_signal *signal = calloc(1, sizeof(*signal));
	if (!signal)
		return -ENOMEM;
	signal->loop = loop;
	signal->fn = fn;
	signal->arg = arg;
	ev_signal_init(&signal->watcher, on_signal, signum);
	signal->watcher.data = signal;
	ev_signal_start(loop->ev, &signal->watcher);
	*signalp = signal;
	return 0;
}

struct loop_signal *loop_signal_free(struct loop_signal *signal)
{
	if (signal) {
		ev_signal_stop(signal->loop->ev, &signal->watcher);
		free(signal);
	}
	return NULL;
}
