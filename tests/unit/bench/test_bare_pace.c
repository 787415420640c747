/* Evenly spaced sends, on a clock of the test's own. */
#include "bench/bare/pace.h"

#include "check_main.h"

START_TEST(spaces_them_evenly)
{
	struct pace pace = pace_begin(4000, 1000);
	unsigned sent = 0;

	for (uint64_t now_us = 1000; now_us < 1001000; now_us += 50)
		for (; pace_due(&pace, now_us); sent++)
			pace_sent(&pace, now_us);
	ck_assert_uint_eq(sent, 4000);
	ck_assert_uint_eq(pace.late, 0);
}
END_TEST

START_TEST(says_how_long_to_wait)
{
	struct pace pace = pace_begin(1000, 500);

	ck_assert_uint_eq(pace_wait_us(&pace, 500), 0);
	pace_sent(&pace, 500);
	ck_assert_uint_eq(pace_wait_us(&pace, 500), 1000);
	ck_assert_uint_eq(pace_wait_us(&pace, 1499), 1);
	ck_assert_uint_eq(pace_wait_us(&pace, 1500), 0);
}
END_TEST

START_TEST(sends_at_once_without_a_rate)
{
	struct pace pace = pace_begin(0, 500);

	for (int i = 0; i < 10; i++) {
		ck_assert(pace_due(&pace, 500));
		pace_sent(&pace, 500);
	}
	pace_sent(&pace, 900000);
	ck_assert_uint_eq(pace.late, 0);
}
END_TEST

START_TEST(catches_up_and_counts_when_it_was_late_itself)
{
	struct pace pace = pace_begin(1000, 0);
	unsigned sent = 0;

	for (; pace_due(&pace, 50000); sent++)
		pace_sent(&pace, 50000);
	ck_assert_uint_eq(sent, 51);
	ck_assert_uint_eq(pace.late, 30); /* due at 0 … 29 ms */
}
END_TEST

START_TEST(does_not_make_up_for_what_was_held_up)
{
	struct pace pace = pace_begin(1000, 0);

	pace_held_up(&pace);
	ck_assert(pace_due(&pace, 70000));
	pace_sent(&pace, 70000);
	ck_assert_uint_eq(pace.late, 0);
	ck_assert(!pace_due(&pace, 70999));
	ck_assert(pace_due(&pace, 71000));
}
END_TEST

CHECK_MAIN("bench.bare_pace", spaces_them_evenly, says_how_long_to_wait, sends_at_once_without_a_rate,
           catches_up_and_counts_when_it_was_late_itself, does_not_make_up_for_what_was_held_up)
