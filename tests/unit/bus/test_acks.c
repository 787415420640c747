/* Acknowledgements: as few frames as the protocol allows, no tag twice, whatever the order of settling. */
#include "bus/rabbitmq/acks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check_main.h"

struct sent {
	char text[512];
	int fail;
};

static int record(void *arg, uint64_t tag, bool multiple)
{
	struct sent *s = arg;
	size_t n = strlen(s->text);
	snprintf(s->text + n, sizeof(s->text) - n, "%llu%s ", (unsigned long long)tag, multiple ? "*" : "");
	return s->fail;
}

static struct acks *with_tags(size_t capacity, uint64_t from, uint64_t to)
{
	struct acks *a = acks_new(capacity);
	for (uint64_t tag = from; tag <= to; tag++)
		ck_assert_int_eq(acks_delivered(a, tag), 0);
	return a;
}

static void expect(struct acks *a, const char *want)
{
	struct sent s = {.text = ""};
	ck_assert_int_eq(acks_flush(a, record, &s), 0);
	ck_assert_str_eq(s.text, want);
}

START_TEST(contiguous_tags_go_in_one_frame)
{
	struct acks *a = with_tags(8, 1, 5);
	expect(a, "");
	acks_settle(a, 1);
	expect(a, "1 ");
	acks_settle(a, 3);
	acks_settle(a, 2);
	acks_settle(a, 4);
	expect(a, "4* ");
	expect(a, "");
	acks_settle(a, 5);
	expect(a, "5 ");
	ck_assert_uint_eq(acks_outstanding(a), 0);
	acks_free(a);
}
END_TEST

START_TEST(beyond_a_hole_each_stands_alone)
{
	struct acks *a = with_tags(8, 3, 7);
	acks_settle(a, 3);
	acks_settle(a, 4);
	acks_settle(a, 6);
	expect(a, "4* 6 ");
	ck_assert_uint_eq(acks_outstanding(a), 2);
	/* 6 is gone: what is multiple now must not end at it */
	acks_settle(a, 5);
	expect(a, "5 ");
	acks_settle(a, 7);
	expect(a, "7 ");
	acks_free(a);
}
END_TEST

START_TEST(a_multiple_may_span_what_went_before)
{
	struct acks *a = with_tags(8, 1, 4);
	acks_settle(a, 2);
	expect(a, "2 ");
	acks_settle(a, 1);
	acks_settle(a, 3);
	expect(a, "3* ");
	acks_settle(a, 4);
	expect(a, "4 ");
	acks_free(a);
}
END_TEST

START_TEST(a_rejected_tag_is_never_acknowledged)
{
	struct acks *a = with_tags(4, 1, 4);
	acks_forget(a, 2);
	ck_assert_uint_eq(acks_outstanding(a), 3);
	ck_assert_int_eq(acks_delivered(a, 5), 0); /* its place is free at once */
	acks_settle(a, 1);
	expect(a, "1 ");
	acks_settle(a, 4);
	acks_settle(a, 5);
	expect(a, "4 5 ");
	acks_settle(a, 3);
	expect(a, "3 ");
	acks_free(a);
}
END_TEST

START_TEST(a_multiple_spans_a_rejected_tag_and_does_not_end_at_one)
{
	struct acks *a = with_tags(8, 1, 6);
	acks_forget(a, 2);
	acks_forget(a, 4);
	acks_settle(a, 1);
	acks_settle(a, 3);
	expect(a, "3* ");
	acks_settle(a, 5);
	acks_forget(a, 6);
	expect(a, "5 ");
	ck_assert_uint_eq(acks_outstanding(a), 0);
	acks_free(a);
}
END_TEST

START_TEST(the_window_and_the_order_are_held_to)
{
	struct acks *a = with_tags(2, 1, 2);
	ck_assert_int_eq(acks_delivered(a, 3), -EPROTO);
	acks_settle(a, 1);
	expect(a, "1 ");
	ck_assert_int_eq(acks_delivered(a, 2), -EPROTO);
	ck_assert_int_eq(acks_delivered(a, 3), 0);
	acks_reset(a);
	ck_assert_int_eq(acks_delivered(a, 1), 0);
	ck_assert_uint_eq(acks_outstanding(a), 1);
	acks_free(a);
}
END_TEST

START_TEST(an_error_is_passed_on)
{
	struct acks *a = with_tags(4, 1, 4);
	struct sent s = {.text = "", .fail = -EPIPE};
	acks_settle(a, 1);
	acks_settle(a, 3);
	ck_assert_int_eq(acks_flush(a, record, &s), -EPIPE);
	ck_assert_str_eq(s.text, "1 ");
	acks_free(a);
}
END_TEST

/* The broker's side of it: an unknown or known-and-gone tag, or a multiple that ends at one, closes the channel. */
struct broker {
	bool unacked[4096];
};

static int broker_ack(void *arg, uint64_t tag, bool multiple)
{
	struct broker *b = arg;
	ck_assert_msg(b->unacked[tag], "tag %llu is not outstanding", (unsigned long long)tag);
	for (uint64_t t = multiple ? 1 : tag; t <= tag; t++)
		b->unacked[t] = false;
	return 0;
}

START_TEST(any_order_satisfies_the_broker)
{
	enum { WINDOW = 16, LAST = 4000 };
	struct acks *a = acks_new(WINDOW);
	struct broker broker = {{false}};
	uint64_t held[WINDOW], next = 1;
	size_t n = 0;

	srand(1);
	while (next <= LAST || n) {
		while (next <= LAST && acks_outstanding(a) < WINDOW && rand() % 4) {
			ck_assert_int_eq(acks_delivered(a, next), 0);
			broker.unacked[next] = true;
			held[n++] = next++;
		}
		for (size_t k = n ? (size_t)rand() % (n + 1) : 0; k > 0; k--) {
			size_t i = (size_t)rand() % n;
			if (rand() % 8) {
				acks_settle(a, held[i]);
			} else {
				acks_forget(a, held[i]);
				broker.unacked[held[i]] = false;
			}
			held[i] = held[--n];
		}
		ck_assert_int_eq(acks_flush(a, broker_ack, &broker), 0);
		ck_assert_uint_eq(acks_outstanding(a), n);
	}
	for (size_t t = 1; t <= LAST; t++)
		ck_assert(!broker.unacked[t]);
	acks_free(a);
}
END_TEST

CHECK_MAIN("bus.acks", contiguous_tags_go_in_one_frame, beyond_a_hole_each_stands_alone,
           a_multiple_may_span_what_went_before, a_rejected_tag_is_never_acknowledged,
           a_multiple_spans_a_rejected_tag_and_does_not_end_at_one, the_window_and_the_order_are_held_to,
           an_error_is_passed_on, any_order_satisfies_the_broker)
