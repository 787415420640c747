/* References of a message, and the room in front of its bytes. */
#include "base/msgbuf.h"

#include <string.h>

#include "check_main.h"

START_TEST(has_writable_bytes_and_headroom)
{
	struct msgbuf *m = msgbuf_new(100);

	ck_assert_uint_eq(m->len, 100);
	ck_assert_uint_eq(m->refs, 1);
	memset(m->data - MSGBUF_HEADROOM, 0xff, MSGBUF_HEADROOM + 100);
	ck_assert_uint_eq(m->len, 100);
	ck_assert_uint_eq(m->refs, 1);
	ck_assert_ptr_null(msgbuf_unref(m));
}
END_TEST

START_TEST(lives_until_the_last_reference)
{
	struct msgbuf *m = msgbuf_new(1);

	m->data[0] = 'x';
	ck_assert_ptr_eq(msgbuf_ref(m), m);
	ck_assert_uint_eq(m->refs, 2);
	ck_assert_ptr_null(msgbuf_unref(m));
	ck_assert_uint_eq(m->refs, 1);
	ck_assert_int_eq(m->data[0], 'x');
	ck_assert_ptr_null(msgbuf_unref(m));
	ck_assert_ptr_null(msgbuf_unref(NULL));
}
END_TEST

START_TEST(may_be_empty)
{
	struct msgbuf *m = msgbuf_new(0);

	ck_assert_uint_eq(m->len, 0);
	msgbuf_unref(m);
}
END_TEST

START_TEST(refuses_what_its_length_cannot_hold)
{
	ck_assert_ptr_null(msgbuf_new(UINT32_MAX));
	ck_assert_ptr_null(msgbuf_new((size_t)UINT32_MAX + 100));
	ck_assert_ptr_null(msgbuf_new(SIZE_MAX));
}
END_TEST

CHECK_MAIN("base.msgbuf", has_writable_bytes_and_headroom, lives_until_the_last_reference, may_be_empty,
           refuses_what_its_length_cannot_hold)
