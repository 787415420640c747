/* The distance between two names. */
#include "base/nearest.h"

#include <string.h>

#include "check_main.h"

START_TEST(counts_edits)
{
	ck_assert_uint_eq(nearest_distance("", ""), 0);
	ck_assert_uint_eq(nearest_distance("", "abc"), 3);
	ck_assert_uint_eq(nearest_distance("abc", ""), 3);
	ck_assert_uint_eq(nearest_distance("bus.driver", "bus.driver"), 0);
	ck_assert_uint_eq(nearest_distance("bus.drivr", "bus.driver"), 1);
	ck_assert_uint_eq(nearest_distance("bus.drover", "bus.driver"), 1);
	ck_assert_uint_eq(nearest_distance("kitten", "sitting"), 3);
	ck_assert_uint_eq(nearest_distance("BUS.Driver", "bus.driver"), 0);
	ck_assert_uint_eq(nearest_distance("--check", "--check-config"), 1);
	ck_assert_uint_eq(nearest_distance("--", "--set"), 3);
}
END_TEST

START_TEST(is_bounded_for_any_input)
{
	char longest[1000];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_uint_eq(nearest_distance(longest, "x"), 127);
	ck_assert_uint_eq(nearest_distance("x", longest), 127);
	ck_assert_uint_eq(nearest_distance(longest, longest), 0);
}
END_TEST

CHECK_MAIN("base.nearest", counts_edits, is_bounded_for_any_input)
