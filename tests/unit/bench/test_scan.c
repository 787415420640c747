/* A node's frames read in place. */
#include "bench/scan.h"

#include <stdlib.h>

#include "base/err.h"
#include "bench/pick.h"
#include "check_main.h"

#define PUSH                                                                                                           \
	"{\"op\":\"message\",\"room\":\"bench-x.3\",\"id\":\"01KC\",\"ts\":1790000000000,\"from\":\"a\\\"b\\\\\","         \
	"\"type\":\"message\",\"data\":{\"b\":\"x\",\"op\":\"bye\",\"s\":\"}]\\\"{\",\"a\":[1,{\"data\":2}]}}"

static struct scan scan;

static void is(struct str found, const char *text)
{
	const char *wanted = text ? text : "absent";
	ck_assert_msg(text ? str_eq(found, str_from(text)) : !found.p, "%.*s is not %s", STR_ARG(found), wanted);
}

START_TEST(finds_the_members_of_a_push)
{
	ck_assert(scan_frame(STR(PUSH), &scan));
	is(scan.op, "message");
	is(scan.room, "bench-x.3");
	is(scan.data, "{\"b\":\"x\",\"op\":\"bye\",\"s\":\"}]\\\"{\",\"a\":[1,{\"data\":2}]}");
	is(scan.ref, NULL);
	is(scan.code, NULL);
}
END_TEST

START_TEST(finds_the_members_of_answers)
{
	ck_assert(scan_frame(STR("{\"op\":\"error\",\"ref\":12,\"code\":\"unavailable\",\"message\":\"no\"}"), &scan));
	is(scan.op, "error");
	is(scan.code, "unavailable");
	ck_assert_uint_eq(scan_number(scan.ref), 12);
	ck_assert(scan_frame(STR("{\"op\":\"bye\",\"code\":\"drain\",\"retry_ms\":1840}"), &scan));
	ck_assert_uint_eq(scan_number(scan.retry_ms), 1840);
	ck_assert(scan_frame(STR("{\"op\":\"welcome\",\"session\":\"01KC\",\"heartbeat\":25,\"resumed\":false}"), &scan));
	is(scan.session, "01KC");
	ck_assert_uint_eq(scan_number(scan.heartbeat), 25);
}
END_TEST

START_TEST(order_and_blanks_do_not_matter)
{
	ck_assert(scan_frame(STR(" { \"data\" : [ 1 , \"]\" ] ,\n\t\"ref\" : \"7\" , \"op\":\"x\" } "), &scan));
	is(scan.data, "[ 1 , \"]\" ]");
	is(scan.ref, "7");
	is(scan.op, "x");
	ck_assert(scan_frame(STR("{}"), &scan));
	is(scan.op, NULL);
}
END_TEST

START_TEST(refuses_what_is_no_object)
{
	static const char *const texts[] = {
	    "", "1", "[]", "{", "{\"op\"", "{\"op\":", "{\"op\":}", "{\"op\":\"x\"", "{\"op\":\"x\",}"};

	for (size_t i = 0; i < GRID_ARRAY_LEN(texts); i++)
		ck_assert_msg(!scan_frame(str_from(texts[i]), &scan), "%s", texts[i]);
}
END_TEST

START_TEST(reads_never_beyond_the_end)
{
	struct dice dice = dice_of(5);

	for (size_t n = 0; n < sizeof(PUSH) - 1; n++) {
		char *exact = malloc(n ? n : 1);
		memcpy(exact, PUSH, n);
		ck_assert(!scan_frame((struct str){exact, n}, &scan));
		free(exact);
	}
	for (int i = 0; i < 20000; i++) {
		char exact[sizeof(PUSH) - 1];
		memcpy(exact, PUSH, sizeof(exact));
		exact[dice_below(&dice, sizeof(exact))] = "\"\\{}[],: x"[dice_below(&dice, 10)];
		if (scan_frame((struct str){exact, sizeof(exact)}, &scan) && scan.data.p)
			ck_assert(scan.data.p >= exact && scan.data.p + scan.data.n <= exact + sizeof(exact));
	}
}
END_TEST

START_TEST(numbers_end_where_digits_do)
{
	ck_assert_uint_eq(scan_number(STR("42}")), 42);
	ck_assert_uint_eq(scan_number(STR("x")), 0);
	ck_assert_uint_eq(scan_number(STR_NONE), 0);
}
END_TEST

CHECK_MAIN("bench.scan", finds_the_members_of_a_push, finds_the_members_of_answers, order_and_blanks_do_not_matter,
           refuses_what_is_no_object, reads_never_beyond_the_end, numbers_end_where_digits_do)
