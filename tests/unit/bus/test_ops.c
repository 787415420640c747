/* The queue of binds under way. */
#include "bus/rabbitmq/ops.h"

#include "bus/rabbitmq/mail.h"
#include "check_main.h"

START_TEST(answers_go_to_the_oldest_sent)
{
	struct ops q = {0};
	struct op a = {0}, b = {0}, c = {0};

	ck_assert_ptr_null(ops_send(&q));
	ops_push(&q, &a);
	ops_push(&q, &b);
	ck_assert_ptr_null(ops_answer(&q)); /* nothing was sent */
	ck_assert_ptr_eq(ops_send(&q), &a);
	ck_assert(ops_unanswered(&q));
	ck_assert_ptr_eq(ops_send(&q), &b);
	ck_assert_ptr_null(ops_send(&q));
	ck_assert_ptr_eq(ops_answer(&q), &a);
	ops_push(&q, &c);
	ck_assert_ptr_eq(ops_answer(&q), &b);
	ck_assert_ptr_null(ops_answer(&q));
	ck_assert_ptr_eq(ops_send(&q), &c);
	ck_assert_ptr_eq(ops_answer(&q), &c);
	ck_assert(!ops_unanswered(&q));
}
END_TEST

/* One is refused: it is out, all others go out again, in order. */
START_TEST(rewinding_sends_the_rest_again)
{
	struct ops q = {0};
	struct op a = {0}, b = {0}, c = {0}, d = {0};

	ops_push(&q, &a);
	ops_push(&q, &b);
	ops_push(&q, &c);
	while (ops_send(&q))
		;
	ops_push(&q, &d);
	ck_assert_ptr_eq(ops_answer(&q), &a);
	ck_assert_ptr_eq(ops_answer(&q), &b); /* the refused one */
	ops_rewind(&q);
	ck_assert(!ops_unanswered(&q));
	ck_assert_ptr_eq(ops_send(&q), &c);
	ck_assert_ptr_eq(ops_send(&q), &d);
	ck_assert_ptr_null(ops_send(&q));
}
END_TEST

START_TEST(pop_takes_all_sent_or_not)
{
	struct ops q = {0};
	struct op a = {0}, b = {0};

	ops_push(&q, &a);
	ops_push(&q, &b);
	ck_assert_ptr_eq(ops_send(&q), &a);
	ck_assert_ptr_eq(ops_pop(&q), &a);
	ck_assert_ptr_eq(ops_pop(&q), &b);
	ck_assert_ptr_null(ops_pop(&q));
	ops_push(&q, &a); /* as good as new */
	ck_assert_ptr_eq(ops_send(&q), &a);
	ck_assert_ptr_eq(ops_answer(&q), &a);
}
END_TEST

CHECK_MAIN("bus.ops", answers_go_to_the_oldest_sent, rewinding_sends_the_rest_again, pop_takes_all_sent_or_not)
