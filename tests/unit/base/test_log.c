/* The lines that come out on stderr: form, levels, limits, and that nothing from outside can break them. */
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "check_main.h"

/* Each test runs in a process of its own; its stderr goes into this pipe. */
static int captured = -1;

static void capture(void)
{
	int fds[2];
	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	captured = fds[0];
}

static struct str captured_text(void)
{
	static char text[65536];
	ssize_t n = read(captured, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return str_from(text);
}

static bool contains(struct str text, const char *part)
{
	return strstr(text.p, part) != NULL;
}

static int count_lines(struct str text)
{
	int n = 0;
	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

START_TEST(writes_time_level_event_and_keys)
{
	capture();
	log_info("bus.up", "driver=%s n=%d", "local", 3);

	int year, month, day, hour, minute, second, ms, end = 0;
	struct str line = captured_text();
	ck_assert_int_eq(sscanf(line.p, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ info bus.up driver=local n=3%n", &year, &month, &day,
	                        &hour, &minute, &second, &ms, &end),
	                 7);
	ck_assert_int_gt(end, 0);
	ck_assert_str_eq(line.p + end, "\n");
}
END_TEST

START_TEST(drops_lines_above_the_level)
{
	capture();
	log_debug("x.y", "a=1");
	ck_assert_uint_eq(captured_text().n, 0);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("x.y", "a=1");
	ck_assert(contains(captured_text(), " debug x.y a=1\n"));
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("x.y", "a=1");
	ck_assert_uint_eq(captured_text().n, 0);
	log_error("x.y", "a=1");
	ck_assert(contains(captured_text(), " error x.y a=1\n"));
}
END_TEST

START_TEST(cuts_long_lines)
{
	static char text[5000];
	memset(text, 'x', sizeof(text) - 1);

	capture();
	log_info("a.b", "%s", text);
	struct str line = captured_text();
	ck_assert_uint_gt(line.n, 900);
	ck_assert_uint_le(line.n, 1024);
	ck_assert_int_eq(count_lines(line), 1);
	ck_assert_int_eq(line.p[line.n - 1], '\n');
	log_event(LOG_LEVEL_INFO, text, "a=%d", 1);
	line = captured_text();
	ck_assert(contains(line, "xxx a=1\n"));
}
END_TEST

START_TEST(limits_lines_and_counts_those_left_out)
{
	struct log_limit limit = {0};

	capture();
	for (int i = 0; i < LOG_LIMIT_BURST + 7; i++)
		log_limited(&limit, 5000, LOG_LEVEL_WARN, "a.b", "i=%d", i);
	struct str text = captured_text();
	ck_assert_int_eq(count_lines(text), LOG_LIMIT_BURST);
	ck_assert(!contains(text, "suppressed"));
	log_limited(&limit, 6000, LOG_LEVEL_WARN, "a.b", "last=%d", 1);
	ck_assert(contains(captured_text(), " last=1 suppressed=7\n"));
	log_limited(&limit, 6001, LOG_LEVEL_WARN, "a.b", "more=%d", 1);
	ck_assert(contains(captured_text(), " more=1\n"));
}
END_TEST

START_TEST(says_how_many_were_left_out_on_a_long_line_too)
{
	static char text[5000];
	struct log_limit limit = {.suppressed = 4294967295u};

	memset(text, 'x', sizeof(text) - 1);
	capture();
	log_limited(&limit, 1000, LOG_LEVEL_WARN, "a.b", "%s", text);
	ck_assert(contains(captured_text(), "xxx suppressed=4294967295\n"));
}
END_TEST

START_TEST(does_not_count_lines_nobody_would_see)
{
	struct log_limit limit = {0};

	capture();
	for (int i = 0; i < 100; i++)
		log_limited(&limit, 1000, LOG_LEVEL_DEBUG, "a.b", "i=%d", i);
	log_limited(&limit, 1000, LOG_LEVEL_WARN, "a.b", "seen=%d", 1);
	ck_assert(contains(captured_text(), " seen=1\n"));
}
END_TEST

START_TEST(quotes_what_came_from_outside)
{
	ck_assert_str_eq(LOG_QUOTED(STR("plain")), "\"plain\"");
	ck_assert_str_eq(LOG_QUOTED(STR("")), "\"\"");
	ck_assert_str_eq(LOG_QUOTED(STR_NONE), "\"\"");
	ck_assert_str_eq(LOG_QUOTED(STR("a\"b\\c\nd\x7f\0e")), "\"a\\\"b\\\\c\\x0ad\\x7f\\x00e\"");
	ck_assert_str_eq(LOG_QUOTED(STR("\xc3\xbc")), "\"\xc3\xbc\"");
}
END_TEST

START_TEST(cuts_what_it_quotes)
{
	char text[1000];

	for (size_t n = 150; n < sizeof(text); n++) {
		memset(text, n % 2 ? '\n' : 'x', n);
		struct log_quoted q;
		size_t len = strlen(log_quoted(&q, (struct str){text, n}));
		ck_assert_uint_lt(len, sizeof(q.text));
		ck_assert_int_eq(q.text[len - 1], '"');
		if (len != 2 + n * (n % 2 ? 4 : 1))
			ck_assert_int_eq(memcmp(q.text + len - 4, "...\"", 4), 0);
	}
}
END_TEST

CHECK_MAIN("base.log", writes_time_level_event_and_keys, drops_lines_above_the_level, cuts_long_lines,
           limits_lines_and_counts_those_left_out, says_how_many_were_left_out_on_a_long_line_too,
           does_not_count_lines_nobody_would_see, quotes_what_came_from_outside, cuts_what_it_quotes)
