/* The histogram: exact where it is small, within 1.6 % above, and never above what came. */
#include "bench/histogram.h"

#include "check_main.h"

static struct histogram h;

static void clear(void)
{
	h = (struct histogram){.n = 0};
}

START_TEST(is_empty_at_first)
{
	clear();
	ck_assert_uint_eq(histogram_at(&h, 0.5), 0);
	ck_assert_uint_eq(histogram_at(&h, 1), 0);
}
END_TEST

START_TEST(is_exact_for_small_values)
{
	clear();
	for (uint64_t i = 1; i <= 100; i++)
		histogram_add(&h, i);
	ck_assert_uint_eq(histogram_at(&h, 0.01), 1);
	ck_assert_uint_eq(histogram_at(&h, 0.5), 50);
	ck_assert_uint_eq(histogram_at(&h, 0.9), 90);
	ck_assert_uint_eq(histogram_at(&h, 0.99), 99);
	ck_assert_uint_eq(histogram_at(&h, 1), 100);
	ck_assert_uint_eq(h.max_us, 100);
}
END_TEST

START_TEST(counts_zero)
{
	clear();
	histogram_add(&h, 0);
	histogram_add(&h, 0);
	histogram_add(&h, 7);
	ck_assert_uint_eq(histogram_at(&h, 0.5), 0);
	ck_assert_uint_eq(histogram_at(&h, 1), 7);
}
END_TEST

START_TEST(is_near_for_large_values)
{
	for (uint64_t value = 1; value < UINT64_C(1) << 40; value = value * 3 / 2 + 1) {
		clear();
		histogram_add(&h, value);
		histogram_add(&h, UINT64_C(1) << 41);
		uint64_t said = histogram_at(&h, 0.5);
		ck_assert_msg(said >= value && said - value <= value / 64, "%lu is said to be %lu", value, said);
	}
}
END_TEST

START_TEST(is_never_above_the_maximum)
{
	clear();
	histogram_add(&h, 1000003);
	ck_assert_uint_eq(histogram_at(&h, 0.999), 1000003);
	histogram_add(&h, UINT64_MAX); /* beyond the last bucket */
	ck_assert_uint_eq(histogram_at(&h, 1), UINT64_MAX);
	ck_assert_uint_lt(histogram_at(&h, 0.5), 1016000);
}
END_TEST

START_TEST(buckets_meet_without_gaps)
{
	uint64_t last = 0;

	for (uint64_t value = 1; value < 5000; value++) {
		clear();
		histogram_add(&h, value);
		histogram_add(&h, UINT64_C(1) << 30);
		uint64_t said = histogram_at(&h, 0.5);
		ck_assert_uint_ge(said, last);
		last = said;
	}
}
END_TEST

CHECK_MAIN("bench.histogram", is_empty_at_first, is_exact_for_small_values, counts_zero, is_near_for_large_values,
           is_never_above_the_maximum, buckets_meet_without_gaps)
