/* When what waits for the sockets goes out: the pause after a flush. */
#include "net/flush.h"

#include <time.h>

#include "base/clock.h"
#include "check_main.h"

START_TEST(the_first_does_not_rest)
{
	struct flush_pace pace = {0};
	ck_assert_uint_eq(flush_pace_rest_us(&pace, 5000000), 0);
}
END_TEST

START_TEST(a_long_one_is_followed_by_a_pause)
{
	struct flush_pace pace = {0};
	flush_pace_flushed(&pace, 3000, 4000);
	ck_assert_uint_eq(flush_pace_rest_us(&pace, 4000), 3000);
	ck_assert_uint_eq(flush_pace_rest_us(&pace, 5500), 1500);
	ck_assert_uint_eq(flush_pace_rest_us(&pace, 10000), 0);
}
END_TEST

START_TEST(a_short_one_is_not)
{
	struct flush_pace pace = {0};
	flush_pace_flushed(&pace, FLUSH_REST_MIN_US - 1, 1000);
	ck_assert_uint_eq(flush_pace_rest_us(&pace, 1000), 0);
}
END_TEST

START_TEST(no_pause_is_longer_than_the_longest)
{
	struct flush_pace pace = {0};
	flush_pace_flushed(&pace, 1000000, 1001000);
	ck_assert_uint_eq(flush_pace_rest_us(&pace, 1001000), FLUSH_REST_MAX_US);
}
END_TEST

/* As long as a flush that is followed by a pause, but another one has the core. */
static void wait_for_core(void *arg)
{
	const struct timespec away = {.tv_nsec = (long)FLUSH_REST_MIN_US * 2000};
	struct flusher *f = arg;

	nanosleep(&away, NULL);
	ev_break(f->ev, EVBREAK_ALL);
}

START_TEST(one_that_waited_for_a_core_is_not_long)
{
	struct ev_loop *ev = ev_loop_new(0);
	struct flusher f;

	flusher_init(&f, ev, wait_for_core, &f);
	f.timed_until_us = UINT64_MAX;
	flusher_soon(&f);
	ev_run(ev, 0);
	ck_assert_uint_eq(flush_pace_rest_us(&f.pace, clock_mono_us()), 0);
	ev_loop_destroy(ev);
}
END_TEST

/* Long, and all of it on the core. */
static void work(void *arg)
{
	const uint64_t until_us = clock_thread_us() + FLUSH_REST_MAX_US;
	struct flusher *f = arg;

	while (clock_thread_us() < until_us)
		continue;
	ev_break(f->ev, EVBREAK_ALL);
}

START_TEST(the_second_long_one_is_followed_by_a_pause)
{
	struct ev_loop *ev = ev_loop_new(0);
	struct flusher f;

	flusher_init(&f, ev, work, &f);
	flusher_soon(&f);
	ev_run(ev, 0);
	ck_assert_uint_eq(f.pace.rested_us, 0);
	flusher_soon(&f);
	ev_run(ev, 0);
	ck_assert_uint_gt(f.pace.rested_us, 0);
	ev_loop_destroy(ev);
}
END_TEST

static int flushes;

static void count_one(void *arg)
{
	(void)arg;
	flushes++;
}

START_TEST(at_once_unless_there_is_a_pause_or_nothing_was_asked_for)
{
	struct ev_loop *ev = ev_loop_new(0);
	struct flusher f;

	flusher_init(&f, ev, count_one, &f);
	flusher_now(&f);
	ck_assert_int_eq(flushes, 0);
	flusher_soon(&f);
	flusher_now(&f);
	ck_assert_int_eq(flushes, 1);
	flusher_now(&f);
	ck_assert_int_eq(flushes, 1);
	f.pace.rested_us = UINT64_MAX;
	flusher_soon(&f);
	flusher_now(&f);
	ck_assert_int_eq(flushes, 1);
	flusher_stop(&f);
	ev_loop_destroy(ev);
	flushes = 0;
}
END_TEST

static void count(void *arg)
{
	struct flusher *f = arg;

	if (++flushes == 2)
		ev_break(f->ev, EVBREAK_ALL);
	else
		flusher_soon(f);
}

START_TEST(asked_for_while_flushing_is_one_more_flush)
{
	struct ev_loop *ev = ev_loop_new(0);
	struct flusher f;

	flushes = 0;
	flusher_init(&f, ev, count, &f);
	flusher_soon(&f);
	flusher_soon(&f);
	ck_assert(ev_is_active(&f.idle) && ev_is_active(&f.due));
	ev_run(ev, 0);
	ck_assert_int_eq(flushes, 2);
	ck_assert(!ev_is_active(&f.idle) && !ev_is_active(&f.due));
	ev_loop_destroy(ev);
}
END_TEST

START_TEST(in_a_pause_idleness_does_not_flush)
{
	struct ev_loop *ev = ev_loop_new(0);
	struct flusher f;

	flusher_init(&f, ev, count, &f);
	f.pace.rested_us = UINT64_MAX / 2;
	flusher_soon(&f);
	ck_assert(!ev_is_active(&f.idle) && ev_is_active(&f.due));
	flusher_stop(&f);
	ev_loop_destroy(ev);
}
END_TEST

CHECK_MAIN("net.flush", the_first_does_not_rest, a_long_one_is_followed_by_a_pause, a_short_one_is_not,
           no_pause_is_longer_than_the_longest, one_that_waited_for_a_core_is_not_long,
           the_second_long_one_is_followed_by_a_pause, at_once_unless_there_is_a_pause_or_nothing_was_asked_for,
           asked_for_while_flushing_is_one_more_flush, in_a_pause_idleness_does_not_flush)
