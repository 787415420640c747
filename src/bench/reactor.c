#include "bench/reactor.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define TICK_MS 1
#define TURN_US 1000
#define SOONEST_US 250 /* so that it does not turn for each of many thousand messages a second */

int reactor_init(struct reactor *reactor)
{
	*reactor = (struct reactor){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	if (reactor->epoll_fd < 0)
		return -errno;
	reactor->now_us = reactor->asked_us = clock_mono_us();
	wheel_init(&reactor->wheel, TICK_MS, reactor->now_us / 1000);
	return 0;
}

void reactor_deinit(struct reactor *reactor)
{
	close(reactor->epoll_fd);
}

int reactor_watch(struct reactor *reactor, struct watch *watch, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		return -errno;
	watch->fd = fd;
	return 0;
}

void reactor_rewatch(struct reactor *reactor, struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	/* Changing what is watched needs no memory: it fails only for a descriptor that is not there. */
	GRID_ASSERT(epoll_ctl(reactor->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0);
}

void reactor_unwatch(struct reactor *reactor, struct watch *watch)
{
	GRID_ASSERT(epoll_ctl(reactor->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL) == 0);
	watch->fd = -1;
	for (int i = reactor->at; i < reactor->n; i++)
		if (reactor->events[i].data.ptr == watch)
			reactor->events[i].data.ptr = NULL;
}

void reactor_timer_set(struct reactor *reactor, struct timer *timer, uint64_t in_ms)
{
	wheel_set(&reactor->wheel, &timer->entry, reactor->now_us / 1000 + in_ms);
}

void reactor_timer_cancel(struct timer *timer)
{
	wheel_cancel(&timer->entry);
}

static void fire(struct wheel_entry *entry, uint64_t now_ms, void *arg)
{
	struct timer *timer = GRID_CONTAINER_OF(entry, struct timer, entry);

	(void)now_ms;
	(void)arg;
	timer->fn(timer);
}

void reactor_fail(struct reactor *reactor, int error)
{
	if (reactor->error == 0)
		reactor->error = error;
}

/* What is ready should be known of REACTOR_LATEST_US later; what is more is our own slowness, or the machine's. It is
 * known of all only when all that was known has been called back, and all that is ready fits in. */
static void note_lag(struct reactor *reactor)
{
	uint64_t due_us = reactor->asked_us + REACTOR_LATEST_US;

	if (reactor->now_us > due_us && reactor->now_us - due_us > reactor->max_lag_us)
		reactor->max_lag_us = reactor->now_us - due_us;
	if (reactor->n < REACTOR_EVENTS_MAX)
		reactor->asked_us = reactor->now_us;
}

static void sleep_until(uint64_t at_us)
{
	const struct timespec at = {.tv_sec = (time_t)(at_us / 1000000), .tv_nsec = (long)(at_us % 1000000) * 1000};

	/* Woken sooner by a signal it looks sooner. */
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static uint64_t between(uint64_t us, uint64_t least_us, uint64_t most_us)
{
	return us < least_us ? least_us : us < most_us ? us : most_us;
}

static void wait_for_events(struct reactor *reactor, uint64_t due_us)
{
	sleep_until(between(due_us, reactor->asked_us + SOONEST_US, reactor->asked_us + REACTOR_LATEST_US));
	int n = epoll_wait(reactor->epoll_fd, reactor->events, REACTOR_EVENTS_MAX, 0);

	if (n < 0 && errno != EINTR)
		reactor_fail(reactor, -errno);
	reactor->at = 0;
	reactor->n = n > 0 ? n : 0;
	reactor->now_us = clock_mono_us();
	note_lag(reactor);
}

void reactor_turn(struct reactor *reactor, uint64_t due_us)
{
	if (reactor->at == reactor->n)
		wait_for_events(reactor, due_us);
	const uint64_t began_us = reactor->now_us = clock_mono_us();
	while (reactor->at < reactor->n && reactor->now_us - began_us < TURN_US) {
		const struct epoll_event *event = &reactor->events[reactor->at++];
		struct watch *watch = event->data.ptr;
		if (watch) /* NULL: it was unwatched meanwhile */
			watch->fn(watch, event->events);
		reactor->now_us = clock_mono_us();
	}
	wheel_advance(&reactor->wheel, reactor->now_us / 1000, fire, NULL);
	reactor->now_us = clock_mono_us();
}
