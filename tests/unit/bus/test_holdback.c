/* Order over two buses. */
#include "bus/failover/holdback.h"

#include <stdio.h>

#include "bus/failover/sides.h"
#include "check_main.h"

static const enum side P = SIDE_PRIMARY, F = SIDE_FALLBACK;

static const struct holdback_limits limits = {
    .held = 4, .bytes = 1 << 20, .hold_ms = 500, .streams = 16, .keep_ms = 60000};
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

START_TEST(a_new_beginning_the_same_way_is_one)
{
	come(500, P, 0);
	come(1, P, 10);
	come(3, F, 20);
	ck_assert_str_eq(got, "500 1 ");
	come(2, P, 30);
	ck_assert_str_eq(got, "500 1 2 3 ");
}
END_TEST

/* It lay in a bus that took nothing for long, and is for whoever joined meanwhile. */
START_TEST(an_old_first_one_another_way_is_no_beginning)
{
	come(68, F, 0);
	come(1, P, 10);
	come(70, P, 20);
	ck_assert_str_eq(got, "68 1 ");
	come(69, F, 30);
	ck_assert_str_eq(got, "68 1 69 70 ");
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

static struct bus_delivery *come_with_frame(enum key_kind kind, uint64_t seq, enum side side, size_t len, uint64_t now)
{
	union {
		struct bus_delivery d;
		char room[sizeof(struct bus_delivery) + sizeof(struct bus_target)];
	} *u = calloc(1, sizeof(*u));

	u->d = (struct bus_delivery){.stream = 1, .seq = seq, .way = (uint8_t)way_of(side, life), .n_targets = 1};
	u->d.targets[0].key.kind = (uint8_t)kind;
	u->d.targets[0].frame = msgbuf_new(len);
	ck_assert(!holdback_pass(h, &u->d, now));
	return &u->d;
}

static void free_framed(struct bus_delivery *d)
{
	bus_delivery_deinit(d);
	free(d);
}

START_TEST(too_much_is_not_held)
{
	come(1, F, 0);
	come(10, P, 1);
	size_t bare = holdback_bytes(h);
	ck_assert_uint_ge(bare, sizeof(struct bus_delivery));
	struct bus_delivery *to_room = come_with_frame(KEY_ROOM, 12, P, 100, 2);
	ck_assert_uint_eq(holdback_bytes(h), 2 * bare + sizeof(struct bus_target) + 100);
	struct bus_delivery *to_user = come_with_frame(KEY_USER, 14, P, 100, 2); /* its driver has it as it came, too */
	ck_assert_uint_eq(holdback_bytes(h), 3 * bare + 2 * sizeof(struct bus_target) + 300);

	struct holdback_limits small = limits;
	small.bytes = 2 * bare;
	holdback_free(h);
	free_framed(to_room);
	free_framed(to_user);
	h = holdback_new(&small);
	come(1, F, 3);
	come(20, P, 4);
	come(22, P, 4);
	ck_assert_uint_eq(holdback_crowded_out(h), 0);
	come(24, P, 5);
	ck_assert_str_eq(got, "1 1 20 ");
	ck_assert_uint_eq(holdback_crowded_out(h), 1);
	ck_assert_uint_eq(holdback_given_up(h), 1);
	ck_assert_uint_eq(holdback_bytes(h), 2 * bare);
	let_go(600);
	ck_assert_uint_eq(holdback_bytes(h), 0);
	ck_assert_uint_eq(holdback_crowded_out(h), 1);
}
END_TEST

/* --- a bus is back ------------------------------------------------------------------------------------------------ */

/* Others' messages of before come once we have asked; what they publish now may come first. */
START_TEST(a_gap_may_be_filled_when_it_was_asked_for)
{
	come(5, F, 0);
	holdback_asked(h, F, 10);
	come(7, F, 20);
	ck_assert_str_eq(got, "5 ");
	come_again(7, F, 25); /* proves nothing now */
	ck_assert_str_eq(got, "5 ");
	come(6, F, 30);
	ck_assert_str_eq(got, "5 6 7 ");
	come(9, F, 510); /* not any more */
	ck_assert_str_eq(got, "5 6 7 9 ");
}
END_TEST

START_TEST(the_first_one_heard_waits_when_it_was_asked_for)
{
	holdback_asked(h, F, 0);
	come_of(2, 1, F, 1); /* nothing is before that */
	come_of(3, 8, P, 1); /* nothing is missing there */
	come(6, F, 1);
	come(7, F, 1);
	ck_assert_str_eq(got, "1 8 ");
	come(4, F, 2);
	come(5, F, 2);
	ck_assert_str_eq(got, "1 8 ");
	let_go(501);
	ck_assert_str_eq(got, "1 8 4 5 6 7 ");
}
END_TEST

/* It has half a second after that, however long it took until we could ask. */
START_TEST(time_runs_from_asking)
{
	holdback_asked(h, F, 0);
	come(6, F, 1);
	holdback_asked(h, F, 400);
	let_go(899);
	ck_assert_str_eq(got, "");
	let_go(900);
	ck_assert_str_eq(got, "6 ");
}
END_TEST

START_TEST(what_came_over_the_other_bus_does_not_wait_for_that)
{
	come(1, F, 0);
	come(3, P, 1);
	holdback_asked(h, F, 400);
	let_go(501);
	ck_assert_str_eq(got, "1 3 ");
}
END_TEST

START_TEST(the_first_one_heard_may_be_ahead_of_the_fallback)
{
	holdback_two_ways(h, 0);
	come_of(2, 8, F, 1); /* who goes over to the fallback repeats there what was before */
	come_of(3, 6, P, 1);
	ck_assert_str_eq(got, "8 ");
	come_of(3, 5, F, 2);
	ck_assert_str_eq(got, "8 5 6 ");
	come(9, P, 3);
	ck_assert_str_eq(got, "8 5 6 ");
	come_again(9, F, 4); /* nothing is before it there either */
	ck_assert_str_eq(got, "8 5 6 9 ");
	come_of(4, 7, P, 500);
	ck_assert_str_eq(got, "8 5 6 9 7 ");
}
END_TEST

/* Its sender was in doubt of the primary, which never was away: 6 and 7 went over the fallback, and 8 over both. */
START_TEST(a_gap_on_the_primary_may_be_the_fallbacks_to_fill)
{
	come(5, P, 0);
	holdback_two_ways(h, 10);
	come(8, P, 20);
	ck_assert_str_eq(got, "5 ");
	come(6, F, 30);
	come(7, F, 40);
	ck_assert_str_eq(got, "5 6 7 8 ");
	come(10, P, 50); /* 9 is lost, or not for us */
	come_again(10, F, 60);
	ck_assert_str_eq(got, "5 6 7 8 10 ");
}
END_TEST

/* A broker delivers again, over a new link, what was not acknowledged. */
START_TEST(two_lives_of_one_bus_are_not_two_buses)
{
	come(5, P, 0);
	holdback_two_ways(h, 10);
	come(7, P, 20);
	life++;
	come_again(7, P, 30);
	ck_assert_str_eq(got, "5 ");
	come(6, F, 40);
	ck_assert_str_eq(got, "5 6 7 ");
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
                a_new_beginning_the_same_way_is_one, an_old_first_one_another_way_is_no_beginning,
                a_stream_long_silent_is_a_new_one, too_many_are_not_held, too_much_is_not_held,
                a_gap_may_be_filled_when_it_was_asked_for, the_first_one_heard_waits_when_it_was_asked_for,
                time_runs_from_asking, what_came_over_the_other_bus_does_not_wait_for_that,
                the_first_one_heard_may_be_ahead_of_the_fallback, a_gap_on_the_primary_may_be_the_fallbacks_to_fill,
                two_lives_of_one_bus_are_not_two_buses, what_is_held_at_the_end_is_forgotten)
