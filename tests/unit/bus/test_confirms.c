/* Numbers of publishes and what they were. */
#include "bus/rabbitmq/confirms.h"

#include "check_main.h"

START_TEST(one_by_one_and_many_at_once)
{
	struct confirms *c = confirms_new(8);
	int items[5];

	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(confirms_next(c), (uint64_t)i + 1);
		confirms_sent(c, &items[i]);
	}
	ck_assert_ptr_eq(confirms_find(c, 4), &items[3]);
	ck_assert_ptr_eq(confirms_take(c, 2), &items[1]);
	ck_assert_ptr_null(confirms_take(c, 2));
	ck_assert_ptr_null(confirms_find(c, 2));
	ck_assert_ptr_null(confirms_find(c, 9));
	ck_assert_ptr_eq(confirms_take_until(c, 4), &items[0]);
	ck_assert_ptr_eq(confirms_take_until(c, 4), &items[2]);
	ck_assert_ptr_eq(confirms_take_until(c, 4), &items[3]);
	ck_assert_ptr_null(confirms_take_until(c, 4));
	ck_assert_uint_eq(confirms_outstanding(c), 1);
	ck_assert_ptr_eq(confirms_take_until(c, UINT64_MAX), &items[4]);
	ck_assert_uint_eq(confirms_outstanding(c), 0);
	confirms_free(c);
}
END_TEST

/* One that stays unconfirmed for long does not use up the room of those that come and go behind it. */
START_TEST(a_late_one_holds_up_nobody)
{
	struct confirms *c = confirms_new(4);
	int late, item;

	confirms_sent(c, &late);
	for (uint64_t n = 2; n < 1000; n++) {
		confirms_sent(c, &item);
		if (n > 4)
			ck_assert_ptr_eq(confirms_take(c, n - 2), &item);
		else if (n == 4)
			ck_assert_ptr_eq(confirms_take(c, 2), &item);
	}
	ck_assert_ptr_eq(confirms_take(c, 1), &late);
	ck_assert_uint_eq(confirms_outstanding(c), 2);
	confirms_reset(c);
	ck_assert_uint_eq(confirms_next(c), 1);
	ck_assert_ptr_null(confirms_take_until(c, UINT64_MAX));
	confirms_free(c);
}
END_TEST

CHECK_MAIN("bus.confirms", one_by_one_and_many_at_once, a_late_one_holds_up_nobody)
