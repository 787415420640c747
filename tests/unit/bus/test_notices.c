/* Who says what, when, and what follows for those who hear it. */
#include "bus/failover/notices.h"

#include <stdio.h>

#include "check_main.h"

static struct notice notice_of(const char *origin, uint64_t number, bool cut)
{
	struct notice n = {.number = number, .cut = cut, .missed_ms = cut ? 2500 : 0};
	snprintf(n.origin, sizeof(n.origin), "%s", origin);
	return n;
}

START_TEST(nobody_is_cut_off)
{
	struct notices n = {0};
	struct notice out;

	ck_assert(!notices_peer_cut(&n, 0));
	ck_assert(!notices_due(&n, 0, &out));
	notices_deinit(&n);
}
END_TEST

START_TEST(a_peer_is_cut_off_until_it_says_otherwise)
{
	struct notices n = {0};
	struct notice cut = notice_of("n1.E", 1, true), whole = notice_of("n1.E", 1, false);

	struct notice_demand demand = notices_heard(&n, &cut, 10000);
	ck_assert(demand.again);
	ck_assert_uint_eq(demand.missed_since_ms, 7500);
	ck_assert_uint_eq(demand.deaf_since_ms, 0);
	ck_assert(notices_peer_cut(&n, 10000));
	ck_assert(!notices_heard(&n, &cut, 10500).again); /* once for each number */
	ck_assert(!notices_heard(&n, &whole, 11000).again);
	ck_assert(!notices_peer_cut(&n, 11000));
	notices_deinit(&n);
}
END_TEST

START_TEST(a_notice_expires)
{
	struct notices n = {0};
	struct notice one = notice_of("n1.E", 1, true), two = notice_of("n2.E", 1, true);

	notices_heard(&n, &one, 10000);
	notices_heard(&n, &two, 11000);
	ck_assert(notices_peer_cut(&n, 10999 + NOTICES_EXPIRE_MS));
	ck_assert(!notices_peer_cut(&n, 11000 + NOTICES_EXPIRE_MS));
	notices_deinit(&n);
}
END_TEST

START_TEST(one_that_is_back_does_not_speak_for_another)
{
	struct notices n = {0};
	struct notice one = notice_of("n1.E", 1, true), two = notice_of("n2.E", 1, true),
	              back = notice_of("n1.E", 1, false);

	notices_heard(&n, &one, 10000);
	notices_heard(&n, &two, 10000);
	notices_heard(&n, &back, 10001);
	ck_assert(notices_peer_cut(&n, 10001));
	notices_deinit(&n);
}
END_TEST

START_TEST(a_new_life_is_a_new_peer)
{
	struct notices n = {0};
	struct notice old = notice_of("n1.E", 1, true), young = notice_of("n1.F", 1, true);

	notices_heard(&n, &old, 10000);
	ck_assert(notices_heard(&n, &young, 10001).again);
	notices_deinit(&n);
}
END_TEST

START_TEST(deaf_ones_missed_what_went_over_the_fallback)
{
	struct notices n = {0};
	struct notice deaf = notice_of("n1.E", 2, false);

	deaf.deaf_ms = 4000;
	struct notice_demand demand = notices_heard(&n, &deaf, 10000);
	ck_assert(demand.again && !notices_peer_cut(&n, 10000));
	ck_assert_uint_eq(demand.deaf_since_ms, 6000);
	ck_assert_uint_eq(demand.missed_since_ms, 10000); /* nothing */
	deaf.number = 3;
	deaf.deaf_ms = 99999; /* before the clock began */
	ck_assert_uint_eq(notices_heard(&n, &deaf, 10000).deaf_since_ms, 1);
	notices_deinit(&n);
}
END_TEST

START_TEST(an_old_one_said_again_is_nothing_new)
{
	struct notices n = {0};
	struct notice old = notice_of("n1.E", 1, true), young = notice_of("n1.E", 2, false);

	notices_heard(&n, &old, 10000);
	notices_heard(&n, &young, 10001);
	ck_assert(!notices_heard(&n, &old, 10002).again);
	ck_assert(!notices_peer_cut(&n, 10002));
	notices_deinit(&n);
}
END_TEST

START_TEST(who_could_not_send_hears_anew)
{
	struct notices n = {0};
	struct notice cut = notice_of("n1.E", 1, true);

	notices_heard(&n, &cut, 10000);
	ck_assert(!notices_heard(&n, &cut, 10500).again);
	notices_hear_anew(&n);
	ck_assert(notices_heard(&n, &cut, 11000).again);
	notices_deinit(&n);
}
END_TEST

START_TEST(deaf_twice_is_deaf_since_the_first_time)
{
	struct notices n = {0};
	struct notice out;

	notices_deaf(&n, 5000, 10000);
	notices_deaf(&n, 9000, 11000);
	ck_assert(notices_due(&n, 11000, &out));
	ck_assert_uint_eq(out.deaf_ms, 6000);
	notices_deinit(&n);
}
END_TEST

START_TEST(peers_are_bounded)
{
	struct notices n = {0};
	char origin[32];

	for (int i = 0; i < 3 * NOTICES_PEERS_MAX; i++) {
		snprintf(origin, sizeof(origin), "n%d.E", i);
		struct notice notice = notice_of(origin, 1, true);
		ck_assert(notices_heard(&n, &notice, 10000).again);
	}
	struct notice last = notice_of(origin, 1, true), first = notice_of("n0.E", 1, true);
	ck_assert(!notices_heard(&n, &last, 10000).again);
	ck_assert(notices_heard(&n, &first, 10000).again); /* forgotten */
	notices_deinit(&n);
}
END_TEST

START_TEST(says_so_while_it_is_cut_off)
{
	struct notices n = {0};
	struct notice out;
	int said = 0;

	notices_cut(&n, 8000, 10000);
	for (uint64_t now = 10000; now < 20000; now += 100) {
		if (!notices_due(&n, now, &out))
			continue;
		notices_said(&n, now);
		said++;
		ck_assert(out.cut);
		ck_assert_uint_eq(out.number, 1);
		ck_assert_uint_eq(out.missed_ms, now - 8000);
	}
	ck_assert_int_eq(said, 20);
	notices_deinit(&n);
}
END_TEST

START_TEST(stays_due_until_it_is_said)
{
	struct notices n = {0};
	struct notice out;

	notices_cut(&n, 8000, 10000);
	ck_assert(notices_due(&n, 10000, &out));
	ck_assert(notices_due(&n, 10010, &out)); /* it could not be sent */
	notices_said(&n, 10010);
	ck_assert(!notices_due(&n, 10020, &out));
	notices_deaf(&n, 9000, 10030); /* this cannot wait */
	ck_assert(notices_due(&n, 10030, &out));
	notices_deinit(&n);
}
END_TEST

START_TEST(and_a_while_after_that_it_is_not)
{
	struct notices n = {0};
	struct notice out;
	int said = 0;

	notices_cut(&n, 8000, 10000);
	notices_whole(&n, 11000);
	for (uint64_t now = 11000; now < 20000; now += 100) {
		if (!notices_due(&n, now, &out))
			continue;
		notices_said(&n, now);
		said++;
		ck_assert(!out.cut);
		ck_assert_uint_eq(out.missed_ms, 0);
		ck_assert_uint_eq(out.number, 1); /* nothing new to ask for */
	}
	ck_assert_int_eq(said, NOTICES_LINGER_MS / NOTICES_EVERY_MS);
	notices_deinit(&n);
}
END_TEST

START_TEST(a_new_cut_has_a_new_number)
{
	struct notices n = {0};
	struct notice out;

	notices_cut(&n, 8000, 10000);
	notices_deaf(&n, 9000, 10500);
	ck_assert(notices_due(&n, 10500, &out));
	ck_assert(out.cut);
	ck_assert_uint_eq(out.number, 2);
	ck_assert_uint_eq(out.deaf_ms, 1500);
	notices_said(&n, 10500);
	notices_whole(&n, 11000);
	notices_said(&n, 11000);
	notices_cut(&n, 20000, 21000); /* what was missed before has been said long ago */
	ck_assert(notices_due(&n, 21000, &out));
	ck_assert_uint_eq(out.number, 3);
	ck_assert_uint_eq(out.deaf_ms, 0);
	notices_deinit(&n);
}
END_TEST

/* However long the fallback takes nothing: others have to hear of it. */
START_TEST(a_change_is_said_when_it_can_be)
{
	struct notices n = {0};
	struct notice out;

	notices_deaf(&n, 5000, 10000);
	ck_assert(notices_unsaid(&n));
	ck_assert(notices_due(&n, 10000 + 3 * NOTICES_LINGER_MS, &out));
	ck_assert_uint_eq(out.deaf_ms, 5000 + 3 * NOTICES_LINGER_MS);
	notices_said(&n, 20000);
	ck_assert(!notices_unsaid(&n));
	ck_assert(notices_due(&n, 20000 + NOTICES_LINGER_MS - 1, &out));
	ck_assert(!notices_due(&n, 20000 + NOTICES_LINGER_MS, &out));
	notices_deinit(&n);
}
END_TEST

/* It may be the one that has what we missed, and could not hear us until now. */
START_TEST(who_says_something_new_is_told_at_once)
{
	struct notices n = {0};
	struct notice out, theirs = notice_of("n1.E", 1, true);

	notices_deaf(&n, 5000, 10000);
	notices_said(&n, 10000);
	notices_heard(&n, &theirs, 60000);
	ck_assert(notices_due(&n, 60000, &out));
	ck_assert_uint_eq(out.deaf_ms, 55000);
	notices_said(&n, 60000);
	theirs.number++;
	notices_heard(&n, &theirs, 60010); /* but not as often as they like */
	ck_assert(!notices_due(&n, 60000 + NOTICES_ANSWER_MS - 1, &out));
	ck_assert(notices_due(&n, 60000 + NOTICES_ANSWER_MS, &out));
	notices_said(&n, 60100);
	notices_heard(&n, &theirs, 60200); /* nothing new */
	ck_assert(!notices_due(&n, 60599, &out));
	notices_deinit(&n);
}
END_TEST

START_TEST(who_has_nothing_to_say_says_nothing)
{
	struct notices n = {0};
	struct notice out, theirs = notice_of("n1.E", 1, true);

	notices_heard(&n, &theirs, 10000);
	ck_assert(!notices_due(&n, 10000, &out));
	notices_deaf(&n, 11000, 12000);
	notices_said(&n, 12000);
	theirs.number++;
	notices_heard(&n, &theirs, 12000 + NOTICES_REMEMBER_MS);
	ck_assert(!notices_due(&n, 12000 + NOTICES_REMEMBER_MS, &out));
	notices_deinit(&n);
}
END_TEST

CHECK_MAIN("bus.notices", nobody_is_cut_off, a_peer_is_cut_off_until_it_says_otherwise, a_notice_expires,
           one_that_is_back_does_not_speak_for_another, a_new_life_is_a_new_peer,
           deaf_ones_missed_what_went_over_the_fallback, an_old_one_said_again_is_nothing_new,
           who_could_not_send_hears_anew, deaf_twice_is_deaf_since_the_first_time, peers_are_bounded,
           says_so_while_it_is_cut_off, stays_due_until_it_is_said, and_a_while_after_that_it_is_not,
           a_new_cut_has_a_new_number, a_change_is_said_when_it_can_be, who_says_something_new_is_told_at_once,
           who_has_nothing_to_say_says_nothing)
