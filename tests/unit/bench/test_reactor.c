/* How late the loop is: turns are short, however much there is to do; what waits for its turn is late all the same. */
#include "bench/reactor.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "check_main.h"

#define SOURCES 10
#define WORK_US 2000 /* of one of them: more than a turn takes */

static struct reactor reactor;
static struct watch sources[SOURCES];
static int calls;

static void work(struct watch *watch, uint32_t events)
{
	const uint64_t until_us = clock_mono_us() + WORK_US;

	(void)watch;
	(void)events;
	while (clock_mono_us() < until_us)
		continue;
	calls++;
}

static void count(struct watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	calls++;
}

static void setup(void)
{
	ck_assert_int_eq(reactor_init(&reactor), 0);
	for (int i = 0; i < SOURCES; i++) {
		sources[i].fn = work;
		ck_assert_int_eq(reactor_watch(&reactor, &sources[i], eventfd(1, EFD_CLOEXEC), EPOLLIN), 0);
	}
}

static void teardown(void)
{
	for (int i = 0; i < SOURCES; i++)
		close(sources[i].fd);
	reactor_deinit(&reactor);
}

START_TEST(what_waits_for_its_turn_is_late)
{
	for (int i = 0; i < SOURCES; i++) {
		reactor_turn(&reactor, UINT64_MAX);
		ck_assert_int_eq(calls, i + 1);
	}
	reactor.max_lag_us = 0; /* up to here all were known from the beginning */
	reactor_turn(&reactor, UINT64_MAX);
	ck_assert_uint_ge(reactor.max_lag_us, (SOURCES * WORK_US) - REACTOR_LATEST_US);
}
END_TEST

START_TEST(a_turn_is_none_of_it)
{
	reactor_turn(&reactor, UINT64_MAX);
	reactor.max_lag_us = 0;
	for (int i = 1; i < SOURCES; i++)
		reactor_turn(&reactor, UINT64_MAX);
	ck_assert_uint_eq(reactor.max_lag_us, 0);
}
END_TEST

/* Nothing that is ready shortens its sleep, which would mean that it was woken. */
START_TEST(what_comes_does_not_wake_it)
{
	for (int i = 0; i < SOURCES; i++)
		reactor_turn(&reactor, UINT64_MAX);
	for (int i = 1; i < SOURCES; i++)
		reactor_unwatch(&reactor, &sources[i]);
	sources[0].fn = count;
	uint64_t looked_us = reactor.asked_us;
	for (int i = 0; i < 5; i++) {
		reactor_turn(&reactor, UINT64_MAX);
		ck_assert_uint_ge(reactor.asked_us - looked_us, REACTOR_LATEST_US);
		looked_us = reactor.asked_us;
	}
	ck_assert_int_eq(calls, SOURCES + 5);
}
END_TEST

START_TEST(it_is_up_when_something_is_due)
{
	for (int i = 0; i < SOURCES; i++)
		reactor_unwatch(&reactor, &sources[i]);
	reactor_turn(&reactor, 0);
	uint64_t sooner = 0;
	for (int i = 0; i < 50; i++) {
		uint64_t due_us = reactor.asked_us + 400, before_us = reactor.asked_us;
		reactor_turn(&reactor, due_us);
		ck_assert_uint_ge(reactor.asked_us, due_us);
		sooner += reactor.asked_us - before_us < REACTOR_LATEST_US;
		before_us = reactor.asked_us;
		reactor_turn(&reactor, 0);
		ck_assert_uint_ge(reactor.asked_us - before_us, 250);
	}
	ck_assert_uint_gt(sooner, 0); /* on a busy machine not each time */
}
END_TEST

CHECK_MAIN_WITH("bench.reactor", setup, teardown, what_waits_for_its_turn_is_late, a_turn_is_none_of_it,
                what_comes_does_not_wake_it, it_is_up_when_something_is_due)
