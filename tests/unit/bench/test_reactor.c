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
		reactor_turn(&reactor);
		ck_assert_int_eq(calls, i + 1);
	}
	reactor.max_lag_us = 0; /* up to here all were known from the beginning */
	reactor_turn(&reactor);
	ck_assert_uint_ge(reactor.max_lag_us, (SOURCES * WORK_US) - 1000);
}
END_TEST

START_TEST(a_turn_is_none_of_it)
{
	reactor_turn(&reactor);
	reactor.max_lag_us = 0;
	for (int i = 1; i < SOURCES; i++)
		reactor_turn(&reactor);
	ck_assert_uint_eq(reactor.max_lag_us, 0);
}
END_TEST

CHECK_MAIN_WITH("bench.reactor", setup, teardown, what_waits_for_its_turn_is_late, a_turn_is_none_of_it)
