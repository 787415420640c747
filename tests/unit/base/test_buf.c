/* Building text in a growing buffer, and what happens when it cannot grow. */
#include "base/buf.h"

#include <limits.h>

#include "check_main.h"

static void assert_text(const struct buf *b, const char *expected)
{
	ck_assert_uint_eq(b->n, strlen(expected));
	ck_assert_int_eq(memcmp(buf_str(b).p, expected, b->n), 0);
}

START_TEST(starts_empty_without_memory)
{
	struct buf b = BUF_INIT;

	ck_assert_uint_eq(buf_str(&b).n, 0);
	ck_assert_ptr_nonnull(buf_str(&b).p);
	buf_put(&b, NULL, 0);
	buf_put_str(&b, STR_NONE);
	ck_assert_ptr_null(b.p);
	buf_deinit(&b);
}
END_TEST

START_TEST(appends_every_kind)
{
	GRID_CLEANUP(buf_deinit) struct buf b = BUF_INIT;

	buf_put(&b, "ab\0", 2);
	buf_putc(&b, 'c');
	buf_puts(&b, "de");
	buf_put_str(&b, STR("f"));
	buf_printf(&b, "-%d-%s", 7, "x");
	assert_text(&b, "abcdef-7-x");
	ck_assert(!b.failed);
}
END_TEST

START_TEST(writes_the_extremes_of_integers)
{
	GRID_CLEANUP(buf_deinit) struct buf b = BUF_INIT;

	buf_put_u64(&b, 0);
	buf_putc(&b, ' ');
	buf_put_u64(&b, UINT64_MAX);
	buf_putc(&b, ' ');
	buf_put_i64(&b, INT64_MIN);
	buf_putc(&b, ' ');
	buf_put_i64(&b, INT64_MAX);
	buf_putc(&b, ' ');
	buf_put_i64(&b, -1);
	assert_text(&b, "0 18446744073709551615 -9223372036854775808 9223372036854775807 -1");
}
END_TEST

START_TEST(keeps_contents_while_it_grows)
{
	GRID_CLEANUP(buf_deinit) struct buf b = BUF_INIT;

	for (unsigned i = 0; i < 100000; i++)
		buf_putc(&b, (char)(i % 251));
	ck_assert_uint_eq(b.n, 100000);
	for (unsigned i = 0; i < 100000; i++)
		ck_assert_int_eq(b.p[i], (char)(i % 251));
}
END_TEST

START_TEST(printf_grows_by_what_it_needs)
{
	GRID_CLEANUP(buf_deinit) struct buf b = BUF_INIT;

	buf_printf(&b, "%*d", 5000, 1);
	ck_assert_uint_eq(b.n, 5000);
	ck_assert_int_eq(b.p[0], ' ');
	ck_assert_int_eq(b.p[4999], '1');
}
END_TEST

START_TEST(reset_keeps_memory)
{
	GRID_CLEANUP(buf_deinit) struct buf b = BUF_INIT;

	buf_puts(&b, "something");
	const char *before = b.p;
	buf_reset(&b);
	ck_assert_uint_eq(b.n, 0);
	buf_puts(&b, "else");
	ck_assert_ptr_eq(b.p, before);
	assert_text(&b, "else");
}
END_TEST

START_TEST(reserving_nothing_is_no_failure)
{
	GRID_CLEANUP(buf_deinit) struct buf b = BUF_INIT;

	ck_assert_ptr_nonnull(buf_reserve(&b, 0));
	ck_assert(!b.failed);
}
END_TEST

START_TEST(remembers_that_it_failed)
{
	GRID_CLEANUP(buf_deinit) struct buf b = BUF_INIT;

	buf_puts(&b, "kept");
	ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX - 2));
	ck_assert(b.failed);
	buf_puts(&b, "lost");
	buf_put_u64(&b, 1);
	buf_printf(&b, "%d", 1);
	assert_text(&b, "kept");
	buf_reset(&b);
	buf_puts(&b, "again");
	assert_text(&b, "again");
	ck_assert(!b.failed);
}
END_TEST

CHECK_MAIN("base.buf", starts_empty_without_memory, appends_every_kind, writes_the_extremes_of_integers,
           keeps_contents_while_it_grows, printf_grows_by_what_it_needs, reset_keeps_memory,
           reserving_nothing_is_no_failure, remembers_that_it_failed)
