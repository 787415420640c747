/* Requests of clients: their shape, their members, and what is wrong with the others. */
#include "wire/request.h"

#include "check_main.h"

static struct request req;

static int decode(const char *frame)
{
	request_deinit(&req);
	return request_decode(&req, str_from(frame));
}

static void assert_str(struct str s, const char *expected)
{
	ck_assert_ptr_nonnull(s.p);
	ck_assert_msg(str_eq(s, str_from(expected)), "'%.*s', not '%s'", STR_ARG(s), expected);
}

static void assert_bad(const char *frame, int expected)
{
	ck_assert_msg(decode(frame) == expected, "%s", frame);
	ck_assert_ptr_nonnull(req.why);
}

START_TEST(decodes_a_request)
{
	struct str room;
	bool echo;

	ck_assert_int_eq(
	    decode("{\"op\":\"publish\",\"ref\":7,\"room\":\"eu.lobby\",\"data\":{\"a\":[1, 2]},\"echo\":false}"), 0);
	assert_str(req.op, "publish");
	assert_str(req.ref, "7");
	ck_assert_int_eq(request_string(&req, "room", &room), 0);
	assert_str(room, "eu.lobby");
	assert_str(request_member(&req, "data"), "{\"a\":[1, 2]}");
	ck_assert_int_eq(request_bool(&req, "echo", &echo), 0);
	ck_assert(!echo);
	ck_assert_ptr_null(request_member(&req, "user").p);
	ck_assert_ptr_null(req.scratch.p); /* nothing escaped, nothing copied */
	request_deinit(&req);
}
END_TEST

START_TEST(says_what_a_member_is_not)
{
	struct str text;
	bool flag;

	ck_assert_int_eq(decode("{\"op\":\"x\",\"a\":1,\"b\":\"true\",\"c\":true,\"d\":\"\\ud800\",\"e\":null}"), 0);
	ck_assert_int_eq(request_string(&req, "z", &text), REQUEST_ABSENT);
	ck_assert_int_eq(request_bool(&req, "z", &flag), REQUEST_ABSENT);
	ck_assert_ptr_null(req.why);
	ck_assert_int_eq(request_string(&req, "a", &text), REQUEST_WRONG_TYPE);
	ck_assert_ptr_nonnull(req.why);
	ck_assert_int_eq(request_bool(&req, "b", &flag), REQUEST_WRONG_TYPE);
	ck_assert_int_eq(request_string(&req, "c", &text), REQUEST_WRONG_TYPE);
	ck_assert_int_eq(request_bool(&req, "c", &flag), 0);
	ck_assert(flag);
	ck_assert_int_eq(request_string(&req, "d", &text), REQUEST_WRONG_TYPE);
	ck_assert_int_eq(request_string(&req, "e", &text), REQUEST_WRONG_TYPE);
	ck_assert_int_eq(request_bool(&req, "e", &flag), REQUEST_WRONG_TYPE);
	request_deinit(&req);
}
END_TEST

START_TEST(refuses_what_is_no_json_object)
{
	static const char *const bad[] = {"",
	                                  "x",
	                                  "[]",
	                                  "\"op\"",
	                                  "1",
	                                  "{\"op\":\"x\"",
	                                  "{\"op\":'x'}",
	                                  "{",
	                                  "{op:1}",
	                                  "{\"op\":\"x\"}{}",
	                                  "{\"op\":\"x\",\"n\":NaN}",
	                                  "{\"op\":\"\n\"}"};

	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++)
		assert_bad(bad[i], REQUEST_E_BAD_JSON);
	request_deinit(&req);
}
END_TEST

START_TEST(needs_an_op)
{
	assert_bad("{}", REQUEST_E_BAD_REQUEST);
	assert_bad("{\"ref\":1}", REQUEST_E_BAD_REQUEST);
	assert_str(req.ref, "1");
	assert_bad("{\"ref\":\"r\",\"op\":1}", REQUEST_E_BAD_REQUEST);
	assert_str(req.ref, "\"r\"");
	assert_bad("{\"op\":null}", REQUEST_E_BAD_REQUEST);
	assert_bad("{\"op\":\"\\udc00\"}", REQUEST_E_BAD_REQUEST);
	ck_assert_int_eq(decode("{\"op\":\"j\\u006fin\"}"), 0);
	assert_str(req.op, "join");
	request_deinit(&req);
}
END_TEST

#define TEXT_32 "0123456789abcdef0123456789abcdef"

START_TEST(echoes_refs_raw_within_their_limit)
{
	static const char *const good[] = {"0",
	                                   "-1.5e3",
	                                   "\"\"",
	                                   "\"a\\u0041\\n\"",
	                                   "\"\xc3\xbc\"",
	                                   "\"" TEXT_32 TEXT_32 "\"",
	                                   "\"" TEXT_32 "0123456789abcdef0123456789abcde\\u0041\""};
	static const char *const bad[] = {
	    "null", "true", "[1]", "{}", "\"" TEXT_32 TEXT_32 "x\"", "\"\\ud800\"", "\"" TEXT_32 TEXT_32 "\\n\""};
	GRID_CLEANUP(buf_deinit) struct buf frame = BUF_INIT;
	char number[66];

	for (size_t i = 0; i < GRID_ARRAY_LEN(good); i++) {
		buf_reset(&frame);
		buf_printf(&frame, "{\"ref\": %s ,\"op\":\"x\"}%c", good[i], 0);
		ck_assert_msg(decode(frame.p) == 0, "%s", good[i]);
		assert_str(req.ref, good[i]);
	}
	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++) {
		buf_reset(&frame);
		buf_printf(&frame, "{\"op\":\"x\",\"ref\":%s}%c", bad[i], 0);
		assert_bad(frame.p, REQUEST_E_BAD_REQUEST);
		ck_assert_ptr_null(req.ref.p);
	}
	for (int n = 64; n <= 65; n++) {
		memset(number, '1', sizeof(number));
		buf_reset(&frame);
		buf_printf(&frame, "{\"op\":\"x\",\"ref\":%.*s}%c", n, number, 0);
		ck_assert_int_eq(decode(frame.p), n == 64 ? 0 : REQUEST_E_BAD_REQUEST);
	}
	request_deinit(&req);
}
END_TEST

/* 64 characters that are six bytes each when escaped are still within the limit; 65 are not, nor is a long string. */
START_TEST(counts_a_ref_unescaped)
{
	for (int n = 64; n <= 70; n++) {
		GRID_CLEANUP(buf_deinit) struct buf frame = BUF_INIT;
		buf_puts(&frame, "{\"op\":\"x\",\"ref\":\"");
		for (int i = 0; i < n; i++)
			buf_puts(&frame, "\\u0041");
		buf_puts(&frame, "\"}");
		buf_putc(&frame, '\0');
		ck_assert_int_eq(decode(frame.p), n == 64 ? 0 : REQUEST_E_BAD_REQUEST);
		request_deinit(&req);
	}
}
END_TEST

START_TEST(refuses_the_same_member_twice)
{
	assert_bad("{\"op\":\"x\",\"a\":1,\"ref\":\"r\",\"a\":2}", REQUEST_E_BAD_REQUEST);
	assert_str(req.ref, "\"r\"");
	assert_bad("{\"op\":\"x\",\"op\":\"x\"}", REQUEST_E_BAD_REQUEST);
	assert_bad("{\"op\":\"x\",\"o\\u0070\":\"y\"}", REQUEST_E_BAD_REQUEST);
	assert_bad("{\"op\":\"x\",\"\\u0061\":1,\"\\u0061\":2}", REQUEST_E_BAD_REQUEST);
	assert_bad("{\"op\":\"x\",\"\\ud800\":1}", REQUEST_E_BAD_REQUEST);
	ck_assert_int_eq(decode("{\"op\":\"x\",\"a\":{\"b\":1,\"b\":2},\"b\":3,\"B\":4}"), 0);
	request_deinit(&req);
}
END_TEST

START_TEST(knows_members_by_their_unescaped_names)
{
	struct str room;

	ck_assert_int_eq(decode("{\"\\u006fp\":\"x\",\"r\\u006fom\":\"a\"}"), 0);
	assert_str(req.op, "x");
	ck_assert_int_eq(request_string(&req, "room", &room), 0);
	assert_str(room, "a");
	request_deinit(&req);
}
END_TEST

START_TEST(limits_the_number_of_members)
{
	for (int n = REQUEST_MEMBERS_MAX; n <= REQUEST_MEMBERS_MAX + 5; n++) {
		GRID_CLEANUP(buf_deinit) struct buf frame = BUF_INIT;
		buf_puts(&frame, "{\"op\":\"x\",\"ref\":9");
		for (int i = 2; i < n; i++)
			buf_printf(&frame, ",\"m%d\":%d", i, i);
		buf_puts(&frame, "}");
		buf_putc(&frame, '\0');
		ck_assert_int_eq(decode(frame.p), n == REQUEST_MEMBERS_MAX ? 0 : REQUEST_E_BAD_REQUEST);
		assert_str(req.ref, "9");
		request_deinit(&req);
	}
}
END_TEST

START_TEST(keeps_earlier_strings_while_it_unescapes_more)
{
	struct str a, b, again;

	ck_assert_int_eq(decode("{\"op\":\"\\u006fne\",\"a\":\"t\\u0077o\",\"b\":\"thr\\u0065e\",\"c\":\"plain\"}"), 0);
	ck_assert_int_eq(request_string(&req, "a", &a), 0);
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(request_string(&req, "b", &b), 0);
	ck_assert_int_eq(request_string(&req, "a", &again), 0);
	assert_str(req.op, "one");
	assert_str(a, "two");
	assert_str(b, "three");
	ck_assert_ptr_eq(a.p, again.p);
	ck_assert_uint_le(req.scratch.cap, 256); /* asking again costs nothing */
	request_deinit(&req);
}
END_TEST

START_TEST(gives_zero_bytes_as_they_are)
{
	struct str text;

	ck_assert_int_eq(decode("{\"op\":\"x\",\"a\":\"b\\u0000c\",\"e\":\"\"}"), 0);
	ck_assert_int_eq(request_string(&req, "a", &text), 0);
	ck_assert(str_eq(text, STR("b\0c")));
	ck_assert_int_eq(request_string(&req, "e", &text), 0);
	ck_assert_ptr_nonnull(text.p);
	ck_assert_uint_eq(text.n, 0);
	request_deinit(&req);
}
END_TEST

CHECK_MAIN("wire.request", decodes_a_request, says_what_a_member_is_not, refuses_what_is_no_json_object, needs_an_op,
           echoes_refs_raw_within_their_limit, counts_a_ref_unescaped, refuses_the_same_member_twice,
           knows_members_by_their_unescaped_names, limits_the_number_of_members,
           keeps_earlier_strings_while_it_unescapes_more, gives_zero_bytes_as_they_are)
