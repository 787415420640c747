/* Request heads, and what is read out of them. */
#include "net/http.h"

#include "check_main.h"

static struct http_head parsed(const char *text)
{
	struct http_head head;
	size_t len;
	ck_assert_int_eq(http_head_parse(str_from(text), &head, &len), 0);
	ck_assert_uint_eq(len, strlen(text));
	return head;
}

#define ck_assert_str_is(s, text) ck_assert_msg(str_eq((s), str_from(text)), "%.*s", STR_ARG(s))

START_TEST(takes_a_head_apart)
{
	struct http_head head = parsed("GET /ws?a=1?2 HTTP/1.1\r\nHost: h\r\nX-A:  one \r\nx-a:two\r\nEmpty:\r\n\r\n");
	struct buf joined = BUF_INIT;

	ck_assert_str_is(head.method, "GET");
	ck_assert_str_is(head.path, "/ws");
	ck_assert_str_is(head.query, "a=1?2");
	ck_assert_int_eq(head.minor, 1);
	ck_assert_str_is(http_field(&head, "HOST"), "h");
	ck_assert_str_is(http_field(&head, "x-a"), "one");
	ck_assert_ptr_nonnull(http_field(&head, "empty").p);
	ck_assert_uint_eq(http_field(&head, "empty").n, 0);
	ck_assert_ptr_null(http_field(&head, "ho").p);
	http_field_join(&head, "X-A", &joined);
	ck_assert_str_is(buf_str(&joined), "one,two");
	buf_deinit(&joined);
	head = parsed("GET http://host:1/ws HTTP/1.0\n\n");
	ck_assert_str_is(head.path, "/ws");
	ck_assert_ptr_null(head.query.p);
	ck_assert_int_eq(head.minor, 0);
}
END_TEST

START_TEST(waits_for_the_blank_line_and_stops_there)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n\x81\x05rest";
	struct http_head head;
	size_t len = 0;
	for (size_t n = 0; n < 27; n++)
		ck_assert_int_eq(http_head_parse((struct str){text, n}, &head, &len), HTTP_E_MORE);
	ck_assert_int_eq(http_head_parse((struct str){text, sizeof(text) - 1}, &head, &len), 0);
	ck_assert_uint_eq(len, 27);
}
END_TEST

START_TEST(refuses_what_is_no_request)
{
	static const char *const bad[] = {
	    "\r\n",
	    "GET\r\n",
	    "GET / HTTP/2.0\r\n",
	    "GET / HTTP/1.1 \r\n",
	    "GET  / HTTP/1.1\r\n",
	    "GET ws HTTP/1.1\r\n",
	    "G\tT / HTTP/1.1\r\n",
	    "GET /a\tb HTTP/1.1\r\n",
	    "GET http://host HTTP/1.1\r\n",
	    "\x16\x03\x01\x02\n",
	    "GET / HTTP/1.1\r\nno colon\r\n\r\n",
	    "GET / HTTP/1.1\r\n: no name\r\n\r\n",
	    "GET / HTTP/1.1\r\nName : space\r\n\r\n",
	    "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
	    "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
	};
	struct http_head head;
	size_t len;
	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++)
		ck_assert_msg(http_head_parse(str_from(bad[i]), &head, &len) == HTTP_E_MALFORMED, "%s", bad[i]);
	ck_assert_int_eq(http_head_parse((struct str){"GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24}, &head, &len),
	                 HTTP_E_MALFORMED);
}
END_TEST

static void check_param(const char *target, const char *name, const char *expect, size_t n)
{
	struct buf line = BUF_INIT, out = BUF_INIT;
	buf_printf(&line, "GET %s HTTP/1.1\r\n\r\n", target);
	buf_putc(&line, '\0');
	struct http_head head = parsed(line.p);
	bool there = http_query_param(&head, name, &out);
	ck_assert_msg(there == (expect != NULL), "%s", target);
	if (there)
		ck_assert_msg(str_eq(buf_str(&out), (struct str){expect, n}), "%s: %.*s", target, STR_ARG(buf_str(&out)));
	buf_deinit(&line);
	buf_deinit(&out);
}

START_TEST(decodes_parameters)
{
	check_param("/ws?user=42", "user", "42", 2);
	check_param("/ws?xuser=1&user=2&user=3", "user", "2", 1);
	check_param("/ws?user=a+b%2Bc%20d", "user", "a+b+c d", 7);
	check_param("/ws?user=%C3%bc", "user", "\xc3\xbc", 2);
	check_param("/ws?user=a%00b", "user", "a\0b", 3);
	check_param("/ws?user=%26%3D%3f%23", "user", "&=?#", 4);
	check_param("/ws?user=a=b;c", "user", "a=b;c", 5);
	check_param("/ws?user=100%&x", "user", "100%", 4);
	check_param("/ws?user=%4", "user", "%4", 2);
	check_param("/ws?user=%zz", "user", "%zz", 3);
	check_param("/ws?user=%ff", "user", "\xff", 1);
	check_param("/ws?user=", "user", "", 0);
	check_param("/ws?user", "user", "", 0);
	check_param("/ws?", "user", NULL, 0);
	check_param("/ws", "user", NULL, 0);
	check_param("/ws?a&&b=", "user", NULL, 0);
}
END_TEST

START_TEST(reads_lists_and_bearer)
{
	struct http_head head = parsed("GET / HTTP/1.1\r\nAuthorization: bEARER  T.a-b \r\n\r\n");
	ck_assert_str_is(http_bearer(&head), "T.a-b");
	head = parsed("GET / HTTP/1.1\r\nAuthorization: Basic x\r\n\r\n");
	ck_assert_ptr_null(http_bearer(&head).p);
	head = parsed("GET / HTTP/1.1\r\nAuthorization: Bearer\r\n\r\n");
	ck_assert_ptr_null(http_bearer(&head).p);
	ck_assert(http_list_has(STR("keep-alive, UpGrade"), "upgrade"));
	ck_assert(http_list_has(STR(",,upgrade ,"), "upgrade"));
	ck_assert(!http_list_has(STR("upgraded, up grade"), "upgrade"));
	ck_assert(!http_list_has(STR_NONE, "upgrade"));
}
END_TEST

CHECK_MAIN("net.http", takes_a_head_apart, waits_for_the_blank_line_and_stops_there, refuses_what_is_no_request,
           decodes_parameters, reads_lists_and_bearer)
