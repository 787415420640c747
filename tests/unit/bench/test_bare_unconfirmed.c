/* Publishes until they are answered: each is timed once, in whatever order and multiples the answers come. */
#include "bench/bare/unconfirmed.h"

#include "check_main.h"

static struct unconfirmed u;
static struct histogram times;

static void setup(void)
{
	times = (struct histogram){.n = 0};
	ck_assert_int_eq(unconfirmed_init(&u, 4), 0);
}

static void teardown(void)
{
	unconfirmed_deinit(&u);
}

START_TEST(times_each)
{
	unconfirmed_add(&u, 100);
	unconfirmed_add(&u, 110);
	ck_assert_uint_eq(unconfirmed_answer(&u, 1, false, 120, &times), 1);
	ck_assert_uint_eq(times.max_us, 20);
	ck_assert_uint_eq(unconfirmed_answer(&u, 2, false, 160, &times), 1);
	ck_assert_uint_eq(times.max_us, 50);
	ck_assert_uint_eq(unconfirmed_n(&u), 0);
}
END_TEST

START_TEST(takes_multiples)
{
	for (uint64_t i = 1; i <= 4; i++)
		unconfirmed_add(&u, i);
	ck_assert(!unconfirmed_open(&u));
	ck_assert_uint_eq(unconfirmed_answer(&u, 3, true, 10, &times), 3);
	ck_assert_uint_eq(times.n, 3);
	ck_assert_uint_eq(unconfirmed_n(&u), 1);
	for (uint64_t i = 5; i <= 7; i++)
		unconfirmed_add(&u, i);
	ck_assert(!unconfirmed_open(&u));
	ck_assert_uint_eq(unconfirmed_answer(&u, 7, true, 20, &times), 4);
	ck_assert_uint_eq(times.n, 7);
}
END_TEST

START_TEST(takes_them_in_any_order)
{
	for (uint64_t i = 1; i <= 4; i++)
		unconfirmed_add(&u, i);
	ck_assert_uint_eq(unconfirmed_answer(&u, 3, false, 10, &times), 1);
	ck_assert(!unconfirmed_open(&u)); /* the place of the first is needed still */
	ck_assert_uint_eq(unconfirmed_answer(&u, 1, false, 10, &times), 1);
	ck_assert_uint_eq(unconfirmed_n(&u), 3);
	ck_assert_uint_eq(unconfirmed_answer(&u, 2, false, 10, &times), 1);
	ck_assert_uint_eq(unconfirmed_n(&u), 1);
	ck_assert_uint_eq(unconfirmed_answer(&u, 4, true, 10, &times), 1);
	ck_assert_uint_eq(times.n, 4);
}
END_TEST

START_TEST(ignores_what_is_not_under_way)
{
	unconfirmed_add(&u, 1);
	ck_assert_uint_eq(unconfirmed_answer(&u, 2, true, 10, &times), 0);
	ck_assert_uint_eq(unconfirmed_answer(&u, 0, false, 10, &times), 0);
	ck_assert_uint_eq(unconfirmed_answer(&u, 1, false, 10, &times), 1);
	ck_assert_uint_eq(unconfirmed_answer(&u, 1, false, 10, &times), 0);
	ck_assert_uint_eq(times.n, 1);
}
END_TEST

CHECK_MAIN_WITH("bench.bare_unconfirmed", setup, teardown, times_each, takes_multiples, takes_them_in_any_order,
                ignores_what_is_not_under_way)
