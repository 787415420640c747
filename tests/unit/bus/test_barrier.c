/* What the broker has taken for certain: one question at a time, and its answer counts for what came before it. */
#include "bus/rabbitmq/barrier.h"

#include "check_main.h"

START_TEST(nothing_is_asked_without_a_reason)
{
	struct barrier b = {0};

	ck_assert(!barrier_due(&b, 1000));
	b.acknowledged = 3;
	ck_assert(barrier_due(&b, 1000));
	barrier_asked(&b, 1000);
	ck_assert(barrier_answered(&b));
	ck_assert(!barrier_due(&b, 5000));
	ck_assert_uint_eq(b.taken, 3);
}
END_TEST

START_TEST(an_answer_covers_what_was_before_its_question)
{
	struct barrier b = {.acknowledged = 3};

	barrier_asked(&b, 1000);
	b.acknowledged = 5;
	ck_assert(!barrier_due(&b, 2000)); /* one at a time */
	ck_assert_uint_eq(b.taken, 0);
	ck_assert(barrier_answered(&b));
	ck_assert_uint_eq(b.taken, 3);
	ck_assert(barrier_due(&b, 2000));
}
END_TEST

START_TEST(questions_keep_a_distance)
{
	struct barrier b = {.acknowledged = 1};

	barrier_asked(&b, 1000);
	ck_assert(barrier_answered(&b));
	b.acknowledged = 2;
	ck_assert(barrier_needed(&b));
	ck_assert(!barrier_due(&b, 1000 + BARRIER_MS - 1));
	ck_assert(barrier_due(&b, 1000 + BARRIER_MS));
}
END_TEST

START_TEST(an_answer_to_nothing)
{
	struct barrier b = {.acknowledged = 1};

	ck_assert(!barrier_answered(&b));
	ck_assert_uint_eq(b.taken, 0);
}
END_TEST

CHECK_MAIN("bus.barrier", nothing_is_asked_without_a_reason, an_answer_covers_what_was_before_its_question,
           questions_keep_a_distance, an_answer_to_nothing)
