/* When entries of the timer wheel fire, against what a plain list of deadlines would do. */
#include "base/wheel.h"

#include <string.h>

#include "base/err.h"
#include "check_main.h"

#define TICK 100

struct probe {
	struct wheel_entry entry;
	int fired;
	uint64_t fired_at;
	uint64_t again_ms;    /* set again so much later, from the callback */
	struct probe *victim; /* cancelled from the callback */
};

static void fire(struct wheel_entry *entry, uint64_t now_ms, void *arg)
{
	struct probe *p = GRID_CONTAINER_OF(entry, struct probe, entry);
	p->fired++;
	p->fired_at = now_ms;
	ck_assert(!wheel_is_set(entry));
	if (p->again_ms)
		wheel_set(arg, entry, now_ms + p->again_ms);
	if (p->victim)
		wheel_cancel(&p->victim->entry);
}

/* The heads of a wheel's lists point to themselves: it must be initialised where it stays. */
#define WHEEL(w, now_ms)                                                                                               \
	struct wheel w;                                                                                                    \
	wheel_init(&w, TICK, now_ms)

START_TEST(fires_at_the_first_tick_not_before)
{
	WHEEL(w, 1000);
	struct probe p = {0};

	wheel_set(&w, &p.entry, 1250);
	ck_assert(wheel_is_set(&p.entry));
	for (uint64_t now = 1000; now < 1300; now += 10) {
		wheel_advance(&w, now, fire, &w);
		ck_assert_int_eq(p.fired, 0);
	}
	wheel_advance(&w, 1300, fire, &w);
	ck_assert_int_eq(p.fired, 1);
	ck_assert_uint_eq(p.fired_at, 1300);
	wheel_advance(&w, 100000, fire, &w);
	ck_assert_int_eq(p.fired, 1);
}
END_TEST

START_TEST(never_fires_in_the_running_tick)
{
	WHEEL(w, 1000);
	struct probe p = {0};

	wheel_set(&w, &p.entry, 0);
	wheel_advance(&w, 1099, fire, &w);
	ck_assert_int_eq(p.fired, 0);
	wheel_advance(&w, 1100, fire, &w);
	ck_assert_int_eq(p.fired, 1);
}
END_TEST

START_TEST(moves_and_cancels)
{
	WHEEL(w, 0);
	struct probe moved = {0}, cancelled = {0}, never_set = {0};

	wheel_set(&w, &moved.entry, 200);
	wheel_set(&w, &moved.entry, 500);
	wheel_set(&w, &cancelled.entry, 200);
	wheel_cancel(&cancelled.entry);
	wheel_cancel(&never_set.entry);
	wheel_advance(&w, 400, fire, &w);
	ck_assert_int_eq(moved.fired, 0);
	wheel_advance(&w, 500, fire, &w);
	ck_assert_int_eq(moved.fired, 1);
	ck_assert_int_eq(cancelled.fired, 0);
	ck_assert(!wheel_is_set(&cancelled.entry));
}
END_TEST

START_TEST(keeps_later_rounds)
{
	WHEEL(w, 0);
	struct probe far = {0}, never = {0};
	uint64_t due = 5 * WHEEL_SLOTS * TICK + 300;

	wheel_set(&w, &far.entry, due);
	wheel_set(&w, &never.entry, UINT64_MAX);
	for (uint64_t now = 0; now < due; now += TICK) {
		wheel_advance(&w, now, fire, &w);
		ck_assert_int_eq(far.fired, 0);
	}
	wheel_advance(&w, due, fire, &w);
	ck_assert_int_eq(far.fired, 1);
	ck_assert_int_eq(never.fired, 0);
}
END_TEST

START_TEST(catches_up_after_a_long_sleep)
{
	WHEEL(w, 0);
	enum { ALL = 3 * WHEEL_SLOTS, ASLEEP = 2 * WHEEL_SLOTS + 22 };
	struct probe probes[ALL];
	uint64_t now = ASLEEP * TICK;

	memset(probes, 0, sizeof(probes));
	for (int i = 0; i < ALL; i++)
		wheel_set(&w, &probes[i].entry, (uint64_t)(i + 1) * TICK);
	wheel_advance(&w, now, fire, &w);
	for (int i = 0; i < ALL; i++)
		ck_assert_int_eq(probes[i].fired, i + 1 <= ASLEEP);
	wheel_advance(&w, ALL * TICK, fire, &w);
	for (int i = 0; i < ALL; i++)
		ck_assert_int_eq(probes[i].fired, 1);
}
END_TEST

START_TEST(sets_again_from_the_callback)
{
	WHEEL(w, 0);
	struct probe beat = {.again_ms = 300}, same_slot = {.again_ms = WHEEL_SLOTS * TICK};

	wheel_set(&w, &beat.entry, 300);
	wheel_set(&w, &same_slot.entry, 300);
	for (uint64_t now = 0; now <= 3000; now += TICK)
		wheel_advance(&w, now, fire, &w);
	ck_assert_int_eq(beat.fired, 10);
	ck_assert_int_eq(same_slot.fired, 1);
	wheel_advance(&w, 300 + WHEEL_SLOTS * TICK, fire, &w);
	ck_assert_int_eq(same_slot.fired, 2);
}
END_TEST

START_TEST(cancels_a_neighbour_from_the_callback)
{
	WHEEL(w, 0);
	struct probe victim = {0}, first = {.victim = &victim}, last = {0};

	wheel_set(&w, &first.entry, 300);
	wheel_set(&w, &victim.entry, 300);
	wheel_set(&w, &last.entry, 300);
	wheel_advance(&w, 300, fire, &w);
	ck_assert_int_eq(first.fired, 1);
	ck_assert_int_eq(victim.fired, 0);
	ck_assert_int_eq(last.fired, 1);
}
END_TEST

START_TEST(ignores_a_clock_that_goes_back)
{
	WHEEL(w, 1000);
	struct probe p = {0};

	wheel_set(&w, &p.entry, 1200);
	wheel_advance(&w, 500, fire, &w);
	ck_assert_int_eq(p.fired, 0);
	wheel_advance(&w, 1200, fire, &w);
	ck_assert_int_eq(p.fired, 1);
}
END_TEST

#define MODEL_ENTRIES 50

/* Random sets, cancels and steps; each entry must fire in the very step in which its tick comes. */
START_TEST(agrees_with_a_list_of_deadlines)
{
	WHEEL(w, 0);
	struct probe probes[MODEL_ENTRIES];
	uint64_t due[MODEL_ENTRIES] = {0}; /* rounded up to the tick; 0: not set */
	uint64_t now = 0;
	unsigned seed = 4711;

	memset(probes, 0, sizeof(probes));
	for (int round = 0; round < 20000; round++) {
		int i = rand_r(&seed) % MODEL_ENTRIES;
		if (rand_r(&seed) % 8 == 0) {
			wheel_cancel(&probes[i].entry);
			due[i] = 0;
		} else {
			uint64_t at = now + (uint64_t)(rand_r(&seed) % (3 * WHEEL_SLOTS * TICK));
			wheel_set(&w, &probes[i].entry, at);
			due[i] = (at + TICK - 1) / TICK * TICK;
			if (due[i] <= now / TICK * TICK)
				due[i] = now / TICK * TICK + TICK;
		}
		now += (uint64_t)(rand_r(&seed) % (rand_r(&seed) % 50 ? TICK : 2 * WHEEL_SLOTS * TICK));
		wheel_advance(&w, now, fire, &w);
		for (i = 0; i < MODEL_ENTRIES; i++) {
			bool expected = due[i] && due[i] <= now;
			if (expected)
				due[i] = 0;
			if (probes[i].fired != expected || wheel_is_set(&probes[i].entry) != (due[i] != 0))
				ck_abort_msg("round %d entry %d fired %d times", round, i, probes[i].fired);
			probes[i].fired = 0;
		}
	}
}
END_TEST

CHECK_MAIN("base.wheel", fires_at_the_first_tick_not_before, never_fires_in_the_running_tick, moves_and_cancels,
           keeps_later_rounds, catches_up_after_a_long_sleep, sets_again_from_the_callback,
           cancels_a_neighbour_from_the_callback, ignores_a_clock_that_goes_back, agrees_with_a_list_of_deadlines)
