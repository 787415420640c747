/* Strays: how many the publisher has at once, when it counts as stuck, and which ones wait no longer then. */
#include "bus/rabbitmq/strays.h"

#include "bus/rabbitmq/setup.h"
#include "check_main.h"

enum { LIFE = 3, EARLIER = 2 };

#define MANY 2000

static struct delivery *deliveries;

static void begin(void)
{
	deliveries = calloc(MANY, sizeof(*deliveries));
	ck_assert_ptr_nonnull(deliveries);
	for (size_t i = 0; i < MANY; i++) {
		deliveries[i].life = LIFE;
		deliveries[i].tag = i;
		deliveries[i].letter.delivery = &deliveries[i];
	}
}

static void end(void)
{
	free(deliveries);
}

static struct strays with(size_t prefetch, size_t n)
{
	struct strays s;

	strays_init(&s, prefetch);
	for (size_t i = 0; i < n; i++)
		strays_push(&s, &deliveries[i].letter);
	return s;
}

static size_t send_all(struct strays *s, uint64_t now_ms)
{
	size_t n = 0;
	while (strays_next(s, now_ms))
		n++;
	return n;
}

/* Pops them: their tags must be those from `from` on, without a gap. */
static size_t count_from(struct letters letters, uint64_t from)
{
	size_t n = 0;
	for (struct letter *l = letters_pop(&letters); l; l = letters_pop(&letters), n++)
		ck_assert_uint_eq(l->delivery->tag, from + n);
	return n;
}

START_TEST(the_publisher_has_a_quarter)
{
	begin();
	struct strays s = with(100, 100);

	ck_assert_uint_eq(send_all(&s, 1000), 25);
	strays_back(&s, LETTER_CONFIRMED, 1001);
	ck_assert_uint_eq(send_all(&s, 1001), 1);
	s = with(1, 2);
	ck_assert_uint_eq(send_all(&s, 1000), 1);
	s = with(65535, MANY);
	ck_assert_uint_eq(send_all(&s, 1000), STRAYS_MAX);
	end();
}
END_TEST

START_TEST(a_refusal_is_a_pause)
{
	begin();
	struct strays s = with(100, 10);

	ck_assert_ptr_eq(strays_next(&s, 1000), &deliveries[0].letter);
	strays_back(&s, LETTER_REFUSED, 1000);
	strays_push(&s, &deliveries[0].letter);
	ck_assert(strays_stuck(&s, true, 1001));
	ck_assert_ptr_null(strays_next(&s, 1999));
	ck_assert(!strays_stuck(&s, true, 2000));
	ck_assert_ptr_eq(strays_next(&s, 2000), &deliveries[1].letter);
	end();
}
END_TEST

START_TEST(a_publisher_is_stuck_when_it_says_so_or_says_nothing)
{
	begin();
	struct strays s = with(100, 10);

	ck_assert(strays_stuck(&s, false, 5000));
	ck_assert(!strays_stuck(&s, true, 5000)); /* it has nothing to answer */
	ck_assert_uint_eq(send_all(&s, 5000), 10);
	ck_assert(!strays_stuck(&s, true, 5999));
	ck_assert(strays_stuck(&s, true, 6000));
	strays_back(&s, LETTER_CONFIRMED, 6000);
	ck_assert(!strays_stuck(&s, true, 6999));
	end();
}
END_TEST

START_TEST(half_of_the_prefetch_may_wait)
{
	begin();
	struct strays s = with(16, 8);

	ck_assert_uint_eq(count_from(strays_surplus(&s, LIFE), 0), 0);
	strays_push(&s, &deliveries[8].letter);
	strays_push(&s, &deliveries[9].letter);
	ck_assert_uint_eq(count_from(strays_surplus(&s, LIFE), 0), 2); /* the oldest */
	ck_assert_uint_eq(count_from(s.waiting, 2), 8);
	end();
}
END_TEST

START_TEST(what_the_publisher_has_counts)
{
	begin();
	struct strays s = with(16, 12);

	ck_assert_uint_eq(send_all(&s, 1000), 4);
	ck_assert_uint_eq(count_from(strays_surplus(&s, LIFE), 4), 4);
	ck_assert_uint_eq(count_from(s.waiting, 8), 4);
	end();
}
END_TEST

/* They hold no part of the prefetch, and there is no tag to reject. */
START_TEST(strays_of_an_earlier_link_wait_on)
{
	begin();
	for (size_t i = 0; i < 10; i++)
		deliveries[i].life = EARLIER;
	struct strays s = with(16, 20);

	ck_assert_uint_eq(count_from(strays_surplus(&s, LIFE), 10), 2);
	for (size_t i = 0; i < 4; i++)
		ck_assert_ptr_eq(strays_next(&s, 1000), &deliveries[i].letter);
	end();
}
END_TEST

CHECK_MAIN("bus.strays", the_publisher_has_a_quarter, a_refusal_is_a_pause,
           a_publisher_is_stuck_when_it_says_so_or_says_nothing, half_of_the_prefetch_may_wait,
           what_the_publisher_has_counts, strays_of_an_earlier_link_wait_on)
