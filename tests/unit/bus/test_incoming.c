/* Messages out of frames. */
#include "bus/rabbitmq/incoming.h"

#include <errno.h>

#include "check_main.h"

/* A malloc that is too large is to fail here too, not to end the program. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static amqp_basic_deliver_t deliver;
static amqp_basic_properties_t properties;

static amqp_frame_t method(void)
{
	amqp_frame_t f = {.frame_type = AMQP_FRAME_METHOD};
	f.payload.method.decoded = &deliver;
	return f;
}

static amqp_frame_t header(uint64_t size)
{
	amqp_frame_t f = {.frame_type = AMQP_FRAME_HEADER};
	f.payload.properties.class_id = AMQP_BASIC_CLASS;
	f.payload.properties.body_size = size;
	f.payload.properties.decoded = &properties;
	f.payload.properties.raw = amqp_from_text("raw");
	return f;
}

static amqp_frame_t piece(const char *text)
{
	amqp_frame_t f = {.frame_type = AMQP_FRAME_BODY};
	f.payload.body_fragment = amqp_from_text(text);
	return f;
}

static int feed(struct incoming *in, amqp_frame_t f)
{
	return incoming_frame(in, &f, UINT64_MAX);
}

START_TEST(bodies_of_no_one_and_many_frames)
{
	struct incoming in = {0};
	const char *text = "one";

	ck_assert_int_eq(feed(&in, method()), 0);
	ck_assert(incoming_busy(&in));
	ck_assert_int_eq(feed(&in, header(0)), INCOMING_COMPLETE);
	ck_assert_ptr_eq(in.method, &deliver);
	ck_assert_ptr_eq(in.properties, &properties);
	ck_assert_uint_eq(in.body.n, 0);
	ck_assert_ptr_nonnull(in.body.p);
	incoming_done(&in);
	ck_assert(!incoming_busy(&in));

	ck_assert_int_eq(feed(&in, method()), 0);
	ck_assert_int_eq(feed(&in, header(3)), 0);
	ck_assert_int_eq(feed(&in, piece(text)), INCOMING_COMPLETE);
	ck_assert_ptr_eq(in.body.p, text); /* not copied */
	incoming_done(&in);

	ck_assert_int_eq(feed(&in, method()), 0);
	ck_assert_int_eq(feed(&in, header(10)), 0);
	ck_assert_int_eq(feed(&in, piece("abcd")), 0);
	ck_assert_int_eq(feed(&in, piece("efg")), 0);
	ck_assert_int_eq(feed(&in, piece("hij")), INCOMING_COMPLETE);
	ck_assert(str_eq(in.body, STR("abcdefghij")));
	incoming_done(&in);
}
END_TEST

START_TEST(wrong_orders_are_refused)
{
	struct incoming in = {0};

	ck_assert_int_eq(feed(&in, header(1)), -EPROTO);
	ck_assert_int_eq(feed(&in, piece("x")), -EPROTO);
	ck_assert_int_eq(feed(&in, method()), 0);
	ck_assert_int_eq(feed(&in, piece("x")), -EPROTO);
	ck_assert_int_eq(feed(&in, header(2)), 0);
	ck_assert_int_eq(feed(&in, method()), -EPROTO);
	ck_assert_int_eq(feed(&in, piece("xyz")), -EPROTO);
	ck_assert_int_eq(feed(&in, piece("x")), 0);
	incoming_done(&in); /* in the middle of one */
	ck_assert_int_eq(feed(&in, method()), 0);
	incoming_done(&in);
}
END_TEST

START_TEST(a_body_without_memory_is_skipped)
{
	struct incoming in = {0};

	ck_assert_int_eq(feed(&in, method()), 0);
	ck_assert_int_eq(feed(&in, header((uint64_t)1 << 62)), 0);
	ck_assert_int_eq(feed(&in, piece("x")), 0);
	ck_assert(in.no_memory);
	ck_assert_int_eq(feed(&in, piece("y")), 0);
	ck_assert_uint_eq(in.body.n, 0);
	incoming_done(&in);
}
END_TEST

START_TEST(a_body_that_is_too_large_is_skipped)
{
	struct incoming in = {0};
	amqp_frame_t f[] = {method(), header(5), piece("abc"), piece("de"), method(), header(4)};

	ck_assert_int_eq(incoming_frame(&in, &f[0], 4), 0);
	ck_assert_int_eq(incoming_frame(&in, &f[1], 4), INCOMING_TOO_LARGE);
	ck_assert_ptr_eq(in.method, &deliver);
	ck_assert(!incoming_busy(&in)); /* so that the library's buffers do not grow meanwhile */
	ck_assert_int_eq(incoming_frame(&in, &f[2], 4), 0);
	ck_assert_int_eq(incoming_frame(&in, &f[4], 4), -EPROTO);
	ck_assert_int_eq(incoming_frame(&in, &f[3], 4), 0);
	ck_assert_int_eq(incoming_frame(&in, &f[4], 4), 0); /* the next one */
	ck_assert_int_eq(incoming_frame(&in, &f[5], 4), 0);
	incoming_done(&in);
}
END_TEST

CHECK_MAIN("bus.incoming", bodies_of_no_one_and_many_frames, wrong_orders_are_refused, a_body_without_memory_is_skipped,
           a_body_that_is_too_large_is_skipped)
