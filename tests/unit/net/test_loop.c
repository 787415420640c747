/* The loop: runs until stopped, wakes from other threads, timers, signals. */
#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/clock.h"
#include "check_main.h"

struct state {
	struct loop *loop;
	struct loop_waker *waker;
	atomic_int sent;
	int woken, ticks, signals;
	int stop_after;
};

static struct loop *new_loop(void)
{
	struct loop *loop = NULL;
	ck_assert_int_eq(loop_new(&loop), 0);
	return loop;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

START_TEST(a_stop_before_the_run_counts)
{
	struct loop *loop = new_loop();
	loop_stop(loop);
	loop_run(loop); /* for ever, if not */
	loop_free(loop);
}
END_TEST

static void *wake_later(void *arg)
{
	loop_wake(arg);
	return NULL;
}

START_TEST(runs_until_stopped_from_another_thread)
{
	struct loop *loop = new_loop();
	struct loop_waker *waker = NULL;
	pthread_t thread;
	ck_assert_int_eq(loop_waker_new(loop, stop, loop, &waker), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, wake_later, waker), 0);
	loop_run(loop);
	pthread_join(thread, NULL);
	loop_waker_free(waker);
	loop_free(loop);
}
END_TEST

#define WAKES 20000

static void *wake_often(void *arg)
{
	struct state *state = arg;
	for (int i = 0; i < WAKES; i++) {
		atomic_fetch_add(&state->sent, 1);
		loop_wake(state->waker);
	}
	return NULL;
}

static void on_wake(void *arg)
{
	struct state *state = arg;
	state->woken++;
	if (atomic_load(&state->sent) == WAKES)
		loop_stop(state->loop);
}

/* What was sent before a loop_wake() is seen by a callback after it: a lost one hangs this test. */
START_TEST(loses_no_wake_up)
{
	struct state state = {.loop = new_loop()};
	pthread_t thread;
	ck_assert_int_eq(loop_waker_new(state.loop, on_wake, &state, &state.waker), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, wake_often, &state), 0);
	loop_run(state.loop);
	pthread_join(thread, NULL);
	ck_assert_int_ge(state.woken, 1);
	ck_assert_int_le(state.woken, WAKES);
	loop_waker_free(state.waker);
	loop_free(state.loop);
}
END_TEST

static void on_tick(void *arg)
{
	struct state *state = arg;
	if (++state->ticks == state->stop_after)
		loop_stop(state->loop);
}

START_TEST(timers_repeat)
{
	struct state state = {.loop = new_loop(), .stop_after = 5};
	struct loop_timer *timer = NULL;
	uint64_t began = clock_mono_ms();
	ck_assert_int_eq(loop_timer_new(state.loop, 10, on_tick, &state, &timer), 0);
	loop_run(state.loop);
	ck_assert_int_eq(state.ticks, 5);
	ck_assert_uint_ge(clock_mono_ms() - began, 45);
	loop_timer_free(timer);
	loop_free(state.loop);
}
END_TEST

static void on_signal(void *arg)
{
	struct state *state = arg;
	state->signals++;
	loop_stop(state->loop);
}

START_TEST(signals_arrive_in_the_loop)
{
	struct state state = {.loop = new_loop()};
	struct loop_signal *signal = NULL;
	ck_assert_int_eq(loop_signal_new(state.loop, SIGUSR1, on_signal, &state, &signal), 0);
	raise(SIGUSR1);
	ck_assert_int_eq(state.signals, 0);
	loop_run(state.loop);
	ck_assert_int_eq(state.signals, 1);
	loop_signal_free(signal);
	loop_free(state.loop);
}
END_TEST

CHECK_MAIN("net.loop", a_stop_before_the_run_counts, runs_until_stopped_from_another_thread, loses_no_wake_up,
           timers_repeat, signals_arrive_in_the_loop)
