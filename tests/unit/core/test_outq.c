/* Order, charge and memory of the outbound queue. */
#include "core/outq.h"

#include "base/msgbuf.h"
#include "check_main.h"

START_TEST(keeps_order_across_growth_and_wrap)
{
	struct outq q = {0};
	struct msgbuf *m[40];
	size_t in = 0, out = 0;

	for (size_t i = 0; i < 40; i++)
		m[i] = msgbuf_new(i + 1);
	while (out < 40) { /* three in, two out: head moves while the ring grows */
		for (int k = 0; k < 3 && in < 40; k++)
			ck_assert_int_eq(outq_push(&q, m[in++]), 0);
		for (int k = 0; k < 2 && out < in; k++) {
			ck_assert_ptr_eq(outq_peek(&q), m[out]);
			ck_assert_ptr_eq(outq_pop(&q), m[out]);
			msgbuf_unref(m[out++]);
		}
	}
	ck_assert_uint_eq(q.bytes, 0);
	ck_assert_ptr_null(q.slots);
	for (size_t i = 0; i < 40; i++) {
		ck_assert_uint_eq(m[i]->refs, 1);
		msgbuf_unref(m[i]);
	}
}
END_TEST

START_TEST(charges_bytes_and_gives_back_references)
{
	struct outq q = {0};
	struct msgbuf *m = msgbuf_new(100);

	ck_assert_int_eq(outq_push(&q, m), 0);
	ck_assert_int_eq(outq_push(&q, m), 0);
	ck_assert_uint_eq(q.bytes, 200);
	ck_assert_uint_eq(m->refs, 3);
	outq_deinit(&q);
	ck_assert_uint_eq(q.bytes, 0);
	ck_assert_uint_eq(m->refs, 1);
	msgbuf_unref(m);
}
END_TEST

START_TEST(allocates_nothing_for_a_single_frame)
{
	struct outq q = {0};
	struct msgbuf *first = msgbuf_new(10), *second = msgbuf_new(20);

	ck_assert_int_eq(outq_push(&q, first), 0);
	ck_assert_uint_eq(q.cap, 0);
	ck_assert_ptr_eq(outq_peek(&q), first);
	ck_assert_int_eq(outq_push(&q, second), 0); /* the first one moves to a ring */
	ck_assert_ptr_eq(outq_pop(&q), first);
	ck_assert_ptr_eq(outq_pop(&q), second);
	ck_assert_uint_eq(q.cap, 0);
	for (int i = 0; i < 2; i++) { /* the queue's, and ours */
		msgbuf_unref(first);
		msgbuf_unref(second);
	}
}
END_TEST

CHECK_MAIN("core.outq", keeps_order_across_growth_and_wrap, allocates_nothing_for_a_single_frame,
           charges_bytes_and_gives_back_references)
