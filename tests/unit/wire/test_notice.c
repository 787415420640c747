#include "wire/notice.h"

#include "check_main.h"

static const struct notice whole = {
    .origin = "n1.01ARZ3NDEKTSV4RRFFQ69G5FAV", .number = 3, .cut = true, .missed_ms = 2500, .deaf_ms = 7};

static struct str encoded(const struct notice *notice, struct buf *buf)
{
	notice_encode(notice, buf);
	ck_assert(!buf->failed);
	return buf_str(buf);
}

START_TEST(comes_out_as_it_went_in)
{
	struct buf buf GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct notice out;

	struct str text = encoded(&whole, &buf);
	ck_assert(str_eq(text, STR("{\"op\":\"grid.cut\",\"origin\":\"n1.01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"number\":3,"
	                           "\"cut\":true,\"missed\":2500,\"deaf\":7}")));
	ck_assert_int_eq(notice_decode(text, &out), 0);
	ck_assert_str_eq(out.origin, whole.origin);
	ck_assert_uint_eq(out.number, 3);
	ck_assert(out.cut);
	ck_assert_uint_eq(out.missed_ms, 2500);
	ck_assert_uint_eq(out.deaf_ms, 7);
}
END_TEST

START_TEST(what_is_none_is_told)
{
	static const char *const bad[] = {
	    "",
	    "{}",
	    "[]",
	    "{\"op\":\"grid.kick\",\"origin\":\"a.b\",\"number\":1,\"cut\":true,\"missed\":0,\"deaf\":0}",
	    "{\"op\":\"grid.cut\",\"number\":1,\"cut\":true,\"missed\":0,\"deaf\":0}",
	    "{\"op\":\"grid.cut\",\"origin\":\"\",\"number\":1,\"cut\":true,\"missed\":0,\"deaf\":0}",
	    "{\"op\":\"grid.cut\",\"origin\":7,\"number\":1,\"cut\":true,\"missed\":0,\"deaf\":0}",
	    "{\"op\":\"grid.cut\",\"origin\":\"a\\u0000b\",\"number\":1,\"cut\":true,\"missed\":0,\"deaf\":0}",
	    "{\"op\":\"grid.cut\",\"origin\":\"a.b\",\"number\":-1,\"cut\":true,\"missed\":0,\"deaf\":0}",
	    "{\"op\":\"grid.cut\",\"origin\":\"a.b\",\"number\":1.5,\"cut\":true,\"missed\":0,\"deaf\":0}",
	    "{\"op\":\"grid.cut\",\"origin\":\"a.b\",\"number\":1,\"cut\":1,\"missed\":0,\"deaf\":0}",
	    "{\"op\":\"grid.cut\",\"origin\":\"a.b\",\"number\":1,\"cut\":true,\"missed\":\"0\",\"deaf\":0}",
	    "{\"op\":\"grid.cut\",\"origin\":\"a.b\",\"number\":1,\"cut\":true,\"missed\":0}",
	    "{\"op\":\"grid.cut\",\"origin\":\"a.b\",\"number\":1,\"cut\":true,\"missed\":0,\"deaf\":9999999999999999999}",
	};
	struct notice out;

	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++)
		ck_assert_msg(notice_decode(str_from(bad[i]), &out) == NOTICE_E_BAD, "%s", bad[i]);
}
END_TEST

START_TEST(an_origin_has_a_longest)
{
	struct buf buf GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct notice longest = whole, out;

	memset(longest.origin, 'n', ORIGIN_MAX);
	longest.origin[ORIGIN_MAX] = '\0';
	ck_assert_int_eq(notice_decode(encoded(&longest, &buf), &out), 0);
	ck_assert_str_eq(out.origin, longest.origin);
	buf_reset(&buf);
	buf_printf(&buf, "{\"op\":\"grid.cut\",\"origin\":\"%sx\",\"number\":1,\"cut\":true,\"missed\":0,\"deaf\":0}",
	           longest.origin);
	ck_assert_int_eq(notice_decode(buf_str(&buf), &out), NOTICE_E_BAD);
}
END_TEST

CHECK_MAIN("wire.notice", comes_out_as_it_went_in, what_is_none_is_told, an_origin_has_a_longest)
