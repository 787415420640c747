/* Order over two buses. */
#include "bus/failover/holdback.h"

#include <stdio.h>

#include "bus/failover/sides.h"
#include "check_main.h"

static const enum side P = SIDE_PRIMARY, F = SIDE_FALLBACK;

static const struct holdback_limits limits = {.held = 4, .hold_ms = 500, .streams = 16, .keep_ms = 60000};
static struct holdback *h;
static struct bus_delivery pool[64];
static size_t used;
static unsigned life; /* of both buses */
static char got[256]; /* the numbers, in the order in which they went on */

static void setup(void)
{
	h = holdback_new(&limits);
	used = 0;
	life = 0;
	got[0] = '\0';
}

static void teardown(void)
{
	holdback_free(h);
}

static void note(const struct bus_delivery *d)
{
	size_t at = strlen(got);
	snprintf(got + at, sizeof(got) - at, "%ju ", (uintmax_t)d->seq);
}

static void let_go(uint64_t now)
{
	for (struct bus_delivery *d; (d = holdback_next(h, now));)
		note(d);
}

static void come_of(uint64_t stream, uint64_t seq, enum side side, uint64_t now)
{
	struct bus_delivery *d = &pool[used++];

	*d = (struct bus_delivery){.stream = stream, .seq = seq, .way = (uint8_t)way_of(side, life)};
	if (holdback_pass(h, d, now))
		note(d);
	let_go(now);
}

static void come(uint64_t seq, enum side side, uint64_t now)
{
	come_of(1, seq, side, now);
}

static void come_again(uint64_t seq, enum side side, uint64_t now)
{
	const struct bus_delivery d = {.stream = 1, .seq = seq, .way = (uint8_t)way_of(side, life)};
	holdback_repeat(h, &d, now);
	let_go(now);
}

START_TEST(one_bus_holds_nothing)
{
	come(7, P, 0); /* the first one we know of */
	come(8, P, 0);
	come(12, P, 0); /* what is missing is not for us, or lost */
	come(11, P, 0);
	ck_assert_str_eq(got, "7 8 12 11 ");
	ck_assert_uint_eq(holdback_count(h), 0);
}
END_TEST

START_TEST(what_overtakes_another_bus_waits)
{
	come(15, F, 0);
	come(20, P, 10);
	come(21, P, 20);
	ck_assert_str_eq(got, "15 ");
	come(16, F, 30);
	come(17, F, 30);
	come(18, F, 30);
	ck_assert_uint_eq(holdback_count(h), 2);
	come(19, F, 40);
	ck_assert_str_eq(got, "15 16 17 18 19 20 21 ");
	ck_assert_uint_eq(holdback_given_up(h), 0);
}
END_TEST

START_TEST(but_not_for_long)
{
	come(15, F, 0);
	come(21, P, 100);
	come(20, P, 110);
	let_go(599);
	ck_assert_str_eq(got, "15 ");
	let_go(600); /* the time of 21; 20 goes first */
	ck_assert_str_eq(got, "15 20 21 ");
	come(22, P, 601);
	come(18, F, 602); /* late: better than never */
	ck_assert_str_eq(got, "15 20 21 22 18 ");
	ck_assert_uint_eq(holdback_given_up(h), 1);
}
END_TEST

START_TEST(a_bus_that_goes_on_frees_what_was_before)
{
	come(15, P, 0);
	come(30, F, 10); /* rejoined, and 30 came faster over the fallback */
	come(31, P, 20);
	ck_assert_str_eq(got, "15 30 31 ");
}
END_TEST

START_TEST(what_comes_again_frees_the_first)
{
	come(15, P, 0);
	come(30, F, 10);
	come_again(30, F, 11); /* no news */
	ck_assert_str_eq(got, "15 ");
	come_again(30, P, 20);
	ck_assert_str_eq(got, "15 30 ");
}
END_TEST

START_TEST(a_bus_that_was_lost_is_another_way)
{
	come(15, F, 0);
	life++;
	come(18, F, 10);
	ck_assert_str_eq(got, "15 ");
	come(16, F, 20); /* published again, for those who missed it */
	come(17, F, 20);
	ck_assert_str_eq(got, "15 16 17 18 ");
}
END_TEST

START_TEST(streams_are_by_themselves)
{
	come_of(1, 5, P, 0);
	come_of(2, 5, F, 0);
	come_of(1, 9, F, 0);
	come_of(2, 6, P, 0);
	ck_assert_str_eq(got, "5 5 6 ");
	ck_assert_uint_eq(holdback_count(h), 1);
}
END_TEST

START_TEST(a_sender_that_starts_again_is_followed)
{
	come(500, P, 0);
	come(1, F, 10);
	come(2, F, 10);
	come(3, P, 10);
	ck_assert_str_eq(got, "500 1 2 3 ");
}
END_TEST

START_TEST(a_stream_long_silent_is_a_new_one)
{
	come(5, P, 0);
	come(90, F, 60000);
	ck_assert_str_eq(got, "5 90 ");
}
END_TEST

START_TEST(too_many_are_not_held)
{
	come(1, F, 0);
	for (uint64_t seq = 10; seq < 15; seq++)
		come(seq, P, 1);
	ck_assert_str_eq(got, "1 10 11 12 13 14 "); /* the fifth was one too many, and they follow one another */
	come(30, F, 2);
	for (uint64_t stream = 2; stream < 6; stream++) {
		come_of(stream, 1, F, 3);
		come_of(stream, 9, P, 3);
	}
	ck_assert_uint_eq(holdback_count(h), 4);
	ck_assert_str_eq(got, "1 10 11 12 13 14 1 1 1 1 30 ");
}
END_TEST

START_TEST(what_is_held_at_the_end_is_forgotten)
{
	come(1, F, 0);
	come(9, P, 0);
	ck_assert_uint_eq(holdback_count(h), 1); /* teardown frees it */
}
END_TEST

CHECK_MAIN_WITH("bus.holdback", setup, teardown, one_bus_holds_nothing, what_overtakes_another_bus_waits,
                but_not_for_long, a_bus_that_goes_on_frees_what_was_before, what_comes_again_frees_the_first,
                a_bus_that_was_lost_is_another_way, streams_are_by_themselves, a_sender_that_starts_again_is_followed,
                a_stream_long_silent_is_a_new_one, too_many_are_not_held, what_is_held_at_the_end_is_forgotten)
