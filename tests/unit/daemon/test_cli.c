/* The command line: flags, their values, and what is said about wrong ones. */
#include "daemon/cli.h"

#include <string.h>

#include "check_main.h"

#define MAX_ARGS 12

static struct cli cli;
static struct buf err;

static int parse(const char *const *args)
{
	static char *argv[MAX_ARGS + 2] = {0};
	int argc = 1;

	argv[0] = (char *)"gridnode";
	for (; *args; args++, argc++) {
		ck_assert_int_lt(argc, MAX_ARGS);
		argv[argc] = (char *)*args;
	}
	argv[argc] = NULL;
	buf_reset(&err);
	return cli_parse(&cli, argc, argv, &err);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void done(void)
{
	cli_deinit(&cli);
	buf_deinit(&err);
}

static void sets(size_t i, const char *where, const char *name, const char *value)
{
	ck_assert_uint_lt(i, cli.n_overrides);
	ck_assert_str_eq(cli.overrides[i].where, where);
	ck_assert_str_eq(cli.overrides[i].name, name);
	ck_assert_str_eq(cli.overrides[i].value, value);
}

static void refuses(int r, const char *why)
{
	ck_assert_int_eq(r, CLI_E_USAGE);
	buf_putc(&err, '\0');
	ck_assert_str_eq(err.p, why);
	done();
}

START_TEST(runs_without_arguments)
{
	ck_assert_int_eq(parse((const char *const[]){NULL}), 0);
	ck_assert_int_eq(cli.action, CLI_RUN);
	ck_assert_ptr_null(cli.config_file);
	ck_assert_uint_eq(cli.n_overrides, 0);
	done();
}
END_TEST

START_TEST(reads_flags_in_both_forms)
{
	ck_assert_int_eq(PARSE("-c", "a.conf", "--port", "7000", "--driver=local", "-n", "n1"), 0);
	ck_assert_int_eq(cli.action, CLI_RUN);
	ck_assert_str_eq(cli.config_file, "a.conf");
	ck_assert_uint_eq(cli.n_overrides, 3);
	sets(0, "--port", "listen.port", "7000");
	sets(1, "--driver", "bus.driver", "local");
	sets(2, "--node-id", "node.id", "n1");
	done();
}
END_TEST

START_TEST(takes_any_option_with_set)
{
	ck_assert_int_eq(PARSE("--set", "bus.driver=local", "--set=bus.rabbitmq.vhost=a=b", "-s", "bus.prefix="), 0);
	ck_assert_uint_eq(cli.n_overrides, 3);
	sets(0, "--set", "bus.driver", "local");
	sets(1, "--set", "bus.rabbitmq.vhost", "a=b");
	sets(2, "--set", "bus.prefix", "");
	done();
}
END_TEST

START_TEST(knows_what_to_do_instead_of_running)
{
	ck_assert_int_eq(PARSE("--check-config"), 0);
	ck_assert_int_eq(cli.action, CLI_CHECK_CONFIG);
	done();
	ck_assert_int_eq(PARSE("--print-config"), 0);
	ck_assert_int_eq(cli.action, CLI_PRINT_CONFIG);
	done();
	ck_assert_int_eq(PARSE("-V"), 0);
	ck_assert_int_eq(cli.action, CLI_VERSION);
	done();
	ck_assert_int_eq(PARSE("--help", "--check-config"), 0);
	ck_assert_int_eq(cli.action, CLI_HELP);
	done();
}
END_TEST

START_TEST(hints_when_it_does_not_understand)
{
	refuses(PARSE("--prot=1"), "unknown option \"--prot=1\"; the nearest is --port; see gridnode --help\n");
	refuses(PARSE("--check"), "unknown option \"--check\"; the nearest is --check-config; see gridnode --help\n");
	refuses(PARSE("gridnode.conf"), "unexpected argument \"gridnode.conf\"; see gridnode --help\n");
	refuses(PARSE("--port"), "a value is missing after \"--port\"; see gridnode --help\n");
	refuses(PARSE("--help=now"), "no value goes with this: \"--help=now\"; see gridnode --help\n");
	refuses(PARSE("--set", "bus.driver"), "--set: expected NAME=VALUE, got \"bus.driver\"; see gridnode --help\n");
	refuses(PARSE("--set", "=local"), "--set: expected NAME=VALUE, got \"=local\"; see gridnode --help\n");
}
END_TEST

START_TEST(frees_what_came_before_an_error)
{
	refuses(PARSE("--set", "a=b", "--set", "c=d", "-x"),
	        "unknown option \"-x\"; the nearest is --set; see gridnode --help\n");
}
END_TEST

START_TEST(helps_with_every_option)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct buf line GRID_CLEANUP(buf_deinit) = BUF_INIT;

	cli_help(&out);
	buf_putc(&out, '\0');
	ck_assert_ptr_nonnull(strstr(out.p, "Usage: gridnode"));
	ck_assert_ptr_nonnull(strstr(out.p, "-p, --port PORT"));
	for (size_t i = 0; i < config_options.n; i++) {
		for (const struct option *row = config_options.groups[i].rows; row->name; row++) {
			buf_reset(&line);
			buf_puts(&line, "\n  ");
			options_full_name(&config_options.groups[i], row, &line);
			buf_printf(&line, "%s%s\n      ", *row->dflt ? " = " : "", row->dflt);
			buf_putc(&line, '\0');
			ck_assert_msg(strstr(out.p, line.p), "missing:%s", line.p);
		}
	}
}
END_TEST

CHECK_MAIN("daemon.cli", runs_without_arguments, reads_flags_in_both_forms, takes_any_option_with_set,
           knows_what_to_do_instead_of_running, hints_when_it_does_not_understand, frees_what_came_before_an_error,
           helps_with_every_option)
