/* The command line and scenario files. */
#include "bench/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/pick.h"
#include "check_main.h"

#define MAX_ARGS 16

static struct bench_options options;
static enum bench_action action;
static struct buf err;
static char scenario[] = "/tmp/gridbench-scenario-XXXXXX";

static int parse(const char *const *args)
{
	static char *argv[MAX_ARGS + 2];
	int argc = 1;

	argv[0] = (char *)"gridbench";
	for (; *args; args++, argc++) {
		ck_assert_int_lt(argc, MAX_ARGS);
		argv[argc] = (char *)*args;
	}
	argv[argc] = NULL;
	unsetenv("GRID_AMQP_URI");
	buf_reset(&err);
	return bench_options_parse(&options, &action, argc, argv, &err);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void done(void)
{
	bench_options_deinit(&options);
	buf_deinit(&err);
}

static void refuses(int r, const char *why)
{
	ck_assert_int_eq(r, BENCH_OPTIONS_E_USAGE);
	buf_putc(&err, '\0');
	ck_assert_str_eq(err.p, why);
	done();
}

/* A scenario file with this in it. */
static const char *file_with(const char *text)
{
	strcpy(scenario + sizeof(scenario) - 7, "XXXXXX");
	int fd = mkstemp(scenario);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return scenario;
}

START_TEST(has_defaults)
{
	ck_assert_int_eq(parse((const char *const[]){NULL}), 0);
	ck_assert_int_eq(action, BENCH_RUN);
	ck_assert_uint_eq(options.url.n, 1);
	ck_assert_str_eq(options.url.items[0], "ws://127.0.0.1:5200/ws");
	ck_assert_int_eq(options.connections, 100);
	ck_assert_int_eq(options.users, 100); /* one for each connection */
	ck_assert_int_eq(options.duration, 10000);
	ck_assert_int_eq(options.hold, 0);
	ck_assert_int_eq(options.warm_up, 0);
	ck_assert_int_eq(options.grace, 5000);
	ck_assert_int_eq(options.settle, 10000);
	ck_assert_int_eq(options.via, VIA_WS);
	ck_assert_uint_eq(strlen(options.run), 8);
	ck_assert(!options.json);
	done();
}
END_TEST

START_TEST(reads_both_forms_and_units)
{
	ck_assert_int_eq(PARSE("--connections=7", "--rate", "250", "--duration", "60", "--settle=500ms", "--size", "4K",
	                       "--json", "--to=both", "--distribution", "zipf"),
	                 0);
	ck_assert_int_eq(options.connections, 7);
	ck_assert_int_eq(options.rate, 250);
	ck_assert_int_eq(options.duration, 60000); /* a plain number is seconds */
	ck_assert_int_eq(options.settle, 500);
	ck_assert_int_eq(options.size, 4096);
	ck_assert(options.json);
	ck_assert_int_eq(options.to, TO_BOTH);
	ck_assert_int_eq(options.distribution, DISTRIBUTION_ZIPF);
	done();
}
END_TEST

START_TEST(lists_grow)
{
	ck_assert_int_eq(PARSE("--url", "ws://a/ws", "--url=ws://b/ws,ws://c/ws", "--sources", "127.0.0.1,127.0.0.2"), 0);
	ck_assert_uint_eq(options.url.n, 3);
	ck_assert_str_eq(options.url.items[0], "ws://a/ws");
	ck_assert_str_eq(options.url.items[2], "ws://c/ws");
	ck_assert_uint_eq(options.sources.n, 2);
	done();
}
END_TEST

START_TEST(a_scenario_is_read_and_the_command_line_wins)
{
	file_with("# a load\n\nconnections 30\n  rate = 40  \nurl ws://a/ws\nurl ws://b/ws\njson\nduration=3s\n");
	ck_assert_int_eq(PARSE("--rate", "50", "--scenario", scenario, "--url", "ws://c/ws"), 0);
	ck_assert_int_eq(options.connections, 30);
	ck_assert_int_eq(options.rate, 50);
	ck_assert_uint_eq(options.url.n, 1);
	ck_assert_str_eq(options.url.items[0], "ws://c/ws");
	ck_assert(options.json);
	ck_assert_int_eq(options.duration, 3000);
	unlink(scenario);
	done();
}
END_TEST

START_TEST(says_where_a_scenario_is_wrong)
{
	char why[200];

	file_with("connections 30\n\nrat 40\n");
	snprintf(why, sizeof(why), "%s:3: rat: no such option; the nearest is rate; see gridbench --help\n", scenario);
	refuses(PARSE("--scenario", scenario), why);
	unlink(scenario);
	file_with("connections\n");
	snprintf(why, sizeof(why), "%s:1: connections: a value is missing; see gridbench --help\n", scenario);
	refuses(PARSE("--scenario", scenario), why);
	unlink(scenario);
	refuses(PARSE("--scenario", "/no/such"), "/no/such: No such file or directory; see gridbench --help\n");
	refuses(PARSE("--scenario"), "--scenario: a value is missing; see gridbench --help\n");
}
END_TEST

START_TEST(says_what_is_wrong)
{
	refuses(PARSE("--rat", "1"), "--rat: no such option; the nearest is rate; see gridbench --help\n");
	refuses(PARSE("--rate"), "--rate: a value is missing; see gridbench --help\n");
	refuses(PARSE("--rate", "fast"),
	        "--rate: expected a number from 0 to 10000000, got \"fast\"; see gridbench --help\n");
	refuses(PARSE("--via", "pigeon"), "--via: expected one of ws|amqp|both, got \"pigeon\"; see gridbench --help\n");
	refuses(PARSE("file"), "unexpected argument \"file\"; see gridbench --help\n");
	refuses(PARSE("--run", "a b"),
	        "--run: expected up to 32 letters, digits, - and _, got \"a b\"; see gridbench --help\n");
	refuses(PARSE("--rooms", "2", "--rooms-per-user", "3"),
	        "--rooms-per-user: there are not so many --rooms; see gridbench --help\n");
	refuses(PARSE("--connections", "0", "--to", "users"),
	        "--to: there are no users to publish to; see gridbench --help\n");
	refuses(PARSE("--via", "amqp"), "--via: publishing by AMQP needs --amqp; see gridbench --help\n");
	refuses(PARSE("--url", ""), "--url: there is none; see gridbench --help\n");
}
END_TEST

START_TEST(secrets_are_not_repeated)
{
	ck_assert_int_eq(PARSE("--amqp", "amqp://u:hunter2@h/v", "--rate", "x"), BENCH_OPTIONS_E_USAGE);
	buf_putc(&err, '\0');
	ck_assert_ptr_null(strstr(err.p, "hunter2"));
	done();
}
END_TEST

START_TEST(knows_what_to_do_instead_of_running)
{
	ck_assert_int_eq(PARSE("--version", "--help", "--rate", "x"), 0);
	ck_assert_int_eq(action, BENCH_HELP);
	done();
	ck_assert_int_eq(PARSE("-h"), 0);
	ck_assert_int_eq(action, BENCH_HELP);
	done();
	ck_assert_int_eq(PARSE("--version"), 0);
	ck_assert_int_eq(action, BENCH_VERSION);
	done();
}
END_TEST

CHECK_MAIN("bench.options", has_defaults, reads_both_forms_and_units, lists_grow,
           a_scenario_is_read_and_the_command_line_wins, says_where_a_scenario_is_wrong, says_what_is_wrong,
           secrets_are_not_repeated, knows_what_to_do_instead_of_running)
