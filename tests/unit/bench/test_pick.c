/* Lots: every one is drawn, as often as it should be. */
#include "bench/pick.h"

#include "check_main.h"

#define DRAWS 200000

static unsigned drawn[10];

static void draw(enum distribution distribution, uint32_t n)
{
	struct dice dice = dice_of(1);
	struct pick pick;

	ck_assert_int_eq(pick_init(&pick, distribution, n), 0);
	for (uint32_t i = 0; i < 10; i++)
		drawn[i] = 0;
	for (int i = 0; i < DRAWS; i++) {
		uint32_t one = pick_next(&pick, &dice);
		ck_assert_uint_lt(one, n);
		drawn[one]++;
	}
	pick_deinit(&pick);
}

START_TEST(uniform_is_even)
{
	draw(DISTRIBUTION_UNIFORM, 10);
	for (int i = 0; i < 10; i++)
		ck_assert(drawn[i] > DRAWS / 10 * 95 / 100 && drawn[i] < DRAWS / 10 * 105 / 100);
}
END_TEST

START_TEST(zipf_falls_with_the_rank)
{
	draw(DISTRIBUTION_ZIPF, 10);
	for (unsigned i = 1; i < 10; i++)
		ck_assert_msg(drawn[i] * (i + 1) > drawn[0] * 9 / 10 && drawn[i] * (i + 1) < drawn[0] * 11 / 10,
		              "%u of rank %u, %u of the first", drawn[i], i + 1, drawn[0]);
}
END_TEST

START_TEST(one_is_always_drawn)
{
	draw(DISTRIBUTION_UNIFORM, 1);
	draw(DISTRIBUTION_ZIPF, 1);
	ck_assert_uint_eq(drawn[0], DRAWS);
}
END_TEST

START_TEST(seeds_make_different_dice)
{
	struct dice a = dice_of(1), b = dice_of(2), zero = dice_of(0);

	ck_assert_uint_ne(dice_next(&a), dice_next(&b));
	ck_assert_uint_ne(dice_next(&zero), dice_next(&zero));
}
END_TEST

CHECK_MAIN("bench.pick", uniform_is_even, zipf_falls_with_the_rank, one_is_always_drawn, seeds_make_different_dice)
