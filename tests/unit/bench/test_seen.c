/* Sets of numbers as ranges, compared with a plain array of flags. */
#include "bench/seen.h"

#include "bench/pick.h"
#include "check_main.h"

#define MANY 2000

static struct seen seen;

static void is(const struct seen_range *ranges, uint32_t n)
{
	ck_assert_uint_eq(seen.n, n);
	for (uint32_t i = 0; i < n; i++) {
		ck_assert_uint_eq(seen_ranges(&seen)[i].from, ranges[i].from);
		ck_assert_uint_eq(seen_ranges(&seen)[i].to, ranges[i].to);
	}
}

#define IS(...) is((const struct seen_range[]){__VA_ARGS__}, sizeof((const struct seen_range[]){__VA_ARGS__}) / 8)

static void add(uint32_t number)
{
	ck_assert_int_eq(seen_add(&seen, number), 0);
}

START_TEST(in_order_is_one_range_without_memory)
{
	for (uint32_t i = 0; i < 100000; i++)
		add(i);
	IS({0, 100000});
	ck_assert_uint_eq(seen.cap, 0);
	seen_deinit(&seen);
}
END_TEST

START_TEST(gaps_split_and_close)
{
	add(5);
	add(7);
	IS({5, 6}, {7, 8});
	add(1);
	IS({1, 2}, {5, 6}, {7, 8});
	add(6);
	IS({1, 2}, {5, 8});
	add(4);
	add(2);
	IS({1, 3}, {4, 8});
	add(3);
	IS({1, 8});
	add(0);
	IS({0, 8});
	seen_deinit(&seen);
	ck_assert_uint_eq(seen.n, 0);
}
END_TEST

START_TEST(says_what_it_has)
{
	add(3);
	add(4);
	add(9);
	ck_assert_int_eq(seen_add(&seen, 3), SEEN_E_AGAIN);
	ck_assert_int_eq(seen_add(&seen, 4), SEEN_E_AGAIN);
	ck_assert_int_eq(seen_add(&seen, 9), SEEN_E_AGAIN);
	IS({3, 5}, {9, 10});
	ck_assert(seen_beyond(&seen, 8));
	ck_assert(seen_beyond(&seen, 0));
	ck_assert(!seen_beyond(&seen, 9));
	ck_assert(!seen_beyond(&seen, 10));
	seen_deinit(&seen);
	ck_assert(!seen_beyond(&seen, 0));
}
END_TEST

START_TEST(agrees_with_a_table_of_flags)
{
	static bool flags[MANY];
	struct dice dice = dice_of(7);

	for (int i = 0; i < 20 * MANY; i++) {
		uint32_t number = dice_below(&dice, MANY);
		ck_assert_int_eq(seen_add(&seen, number), flags[number] ? SEEN_E_AGAIN : 0);
		flags[number] = true;
		if (i % 100)
			continue;
		uint32_t at = 0;
		for (uint32_t r = 0; r < seen.n; r++) {
			for (; at < seen_ranges(&seen)[r].from; at++)
				ck_assert(!flags[at]);
			for (; at < seen_ranges(&seen)[r].to; at++)
				ck_assert(flags[at]);
		}
		for (; at < MANY; at++)
			ck_assert(!flags[at]);
	}
	seen_deinit(&seen);
}
END_TEST

CHECK_MAIN("bench.seen", in_order_is_one_range_without_memory, gaps_split_and_close, says_what_it_has,
           agrees_with_a_table_of_flags)
