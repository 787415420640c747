#include "daemon/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/nearest.h"

enum flag_kind {
	FLAG_ACTION, /* no value; sets the action */
	FLAG_CONFIG, /* the configuration file */
	FLAG_OPTION, /* short for --set <option>= */
	FLAG_SET,    /* NAME=VALUE */
};

struct flag {
	const char *name; /* "--port" */
	const char *letter;
	const char *value; /* what stands for its value in the help; NULL: none */
	enum flag_kind kind;
	enum cli_action action;
	const char *option;
	const char *help;
};

static const struct flag flags[] = {
    {"--config", "-c", "FILE", FLAG_CONFIG, CLI_RUN, NULL, "read this file; without one the defaults hold"},
    {"--port", "-p", "PORT", FLAG_OPTION, CLI_RUN, "listen.port", "port for clients (listen.port)"},
    {"--driver", "-d", "NAME", FLAG_OPTION, CLI_RUN, "bus.driver", "local or rabbitmq (bus.driver)"},
    {"--node-id", "-n", "ID", FLAG_OPTION, CLI_RUN, "node.id", "this node's name, unique in the grid (node.id)"},
    {"--set", "-s", "NAME=VALUE", FLAG_SET, CLI_RUN, NULL, "any option; may be given many times, the last one wins"},
    {"--check-config", NULL, NULL, FLAG_ACTION, CLI_CHECK_CONFIG, NULL, "check the configuration and end"},
    {"--print-config", NULL, NULL, FLAG_ACTION, CLI_PRINT_CONFIG, NULL, "print the values in force, without secrets"},
    {"--help", "-h", NULL, FLAG_ACTION, CLI_HELP, NULL, "print this"},
    {"--version", "-V", NULL, FLAG_ACTION, CLI_VERSION, NULL, "print the version"},
};

/* Parsing */

struct arguments {
	char *const *argv;
	int argc;
	int at;
};

static const struct flag *nearest_flag(struct str typed)
{
	const struct flag *best = NULL;
	size_t best_distance = SIZE_MAX;
	char name[64];

	size_t n = typed.n < sizeof(name) ? typed.n : sizeof(name) - 1;
	memcpy(name, typed.p, n);
	name[n] = '\0';
	for (const struct flag *flag = flags; flag < flags + GRID_ARRAY_LEN(flags); flag++) {
		size_t distance = nearest_distance(name, flag->name);
		if (distance < best_distance) {
			best_distance = distance;
			best = flag;
		}
	}
	return best;
}

/* `name` without the `=value` behind it. */
static const struct flag *find_flag(struct str name)
{
	for (const struct flag *flag = flags; flag < flags + GRID_ARRAY_LEN(flags); flag++)
		if (str_eq(name, str_from(flag->name)) || (flag->letter && str_eq(name, str_from(flag->letter))))
			return flag;
	return NULL;
}

static int usage_error(struct buf *errp, const char *what, const char *argument, const char *hint)
{
	buf_printf(errp, "%s %s%s; see gridnode --help\n", what, LOG_QUOTED(str_from(argument)), hint);
	return CLI_E_USAGE;
}

static int unknown_argument(const char *argument, struct str name, struct buf *errp)
{
	char hint[100];

	if (*argument != '-')
		return usage_error(errp, "unexpected argument", argument, "");
	snprintf(hint, sizeof(hint), "; the nearest is %s", nearest_flag(name)->name);
	return usage_error(errp, "unknown option", argument, hint);
}

static int add_override(struct cli *cli, const struct flag *flag, const char *value, struct buf *errp)
{
	struct config_override *o = &cli->overrides[cli->n_overrides];

	o->where = flag->name;
	o->name = flag->option;
	o->value = value;
	if (flag->kind == FLAG_SET) {
		const char *equals = strchr(value, '=');
		if (!equals || equals == value)
			return usage_error(errp, "--set: expected NAME=VALUE, got", value, "");
		char *copy = strdup(value);
		if (!copy)
			return -ENOMEM;
		cli->copies[cli->n_overrides] = copy;
		copy[equals - value] = '\0';
		o->name = copy;
		o->value = copy + (equals - value) + 1;
	}
	cli->n_overrides++;
	return 0;
}

static int apply(struct cli *cli, const struct flag *flag, const char *value, struct buf *errp)
{
	switch (flag->kind) {
	case FLAG_ACTION:
		/* --help wins over everything: whoever asks for it does not want to run. */
		if (cli->action != CLI_HELP)
			cli->action = flag->action;
		return 0;
	case FLAG_CONFIG:
		cli->config_file = value;
		return 0;
	case FLAG_OPTION:
	case FLAG_SET:
		return add_override(cli, flag, value, errp);
	}
	return 0;
}

static int parse_one(struct cli *cli, struct arguments *args, struct buf *errp)
{
	const char *argument = args->argv[args->at++];
	const char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : NULL;
	struct str name = {argument, equals ? (size_t)(equals - argument) : strlen(argument)};
	const struct flag *flag = find_flag(name);
	const char *value = NULL;

	if (!flag)
		return unknown_argument(argument, name, errp);
	if (!flag->value && equals)
		return usage_error(errp, "no value goes with this:", argument, "");
	if (flag->value) {
		if (!equals && args->at == args->argc)
			return usage_error(errp, "a value is missing after", argument, "");
		value = equals ? equals + 1 : args->argv[args->at++];
	}
	return apply(cli, flag, value, errp);
}

int cli_parse(struct cli *cli, int argc, char *const *argv, struct buf *errp)
{
	struct arguments args = {argv, argc, 1};

	*cli = (struct cli){.action = CLI_RUN};
	/* Never more overrides than arguments. */
	cli->overrides = calloc((size_t)argc + 1, sizeof(*cli->overrides));
	cli->copies = calloc((size_t)argc + 1, sizeof(*cli->copies));
	if (!cli->overrides || !cli->copies)
		return -ENOMEM;
	while (args.at < argc) {
		int r = parse_one(cli, &args, errp);
		if (r != 0)
			return r;
	}
	return 0;
}

void cli_deinit(struct cli *cli)
{
	for (size_t i = 0; i < cli->n_overrides; i++)
		free(cli->copies[i]);
	free(cli->copies);
	free(cli->overrides);
	*cli = (struct cli){.action = CLI_RUN};
}

/* Help */

static void put_flags(struct buf *out)
{
	for (const struct flag *flag = flags; flag < flags + GRID_ARRAY_LEN(flags); flag++) {
		char left[64];
		snprintf(left, sizeof(left), "%s%s%s%s%s", flag->letter ? flag->letter : "  ", flag->letter ? ", " : "  ",
		         flag->name, flag->value ? " " : "", flag->value ? flag->value : "");
		buf_printf(out, "  %-24s %s\n", left, flag->help);
	}
}

void cli_help(struct buf *out)
{
	buf_puts(out, "gridnode - one node of Grid Notify: websockets on one side, the message bus on the other\n"
	              "\n"
	              "Usage: gridnode [flags]\n"
	              "\n");
	put_flags(out);
	buf_puts(out,
	         "\n"
	         "Exit codes:\n"
	         "  0    stopped by SIGTERM or SIGINT, clients told; a second signal ends it at once (143, 130)\n"
	         "  1    could not start or go on: port taken, out of memory\n"
	         "  2    command line or configuration wrong; nothing was opened\n"
	         "  3    the bus cannot work like this: node id taken, topology missing\n"
	         "\n"
	         "Examples:\n"
	         "  gridnode --driver local                       one node, no broker, no file\n"
	         "  gridnode -c /etc/gridnode/gridnode.conf       as configured\n"
	         "  gridnode -c gridnode.conf --check-config      is the file right?\n"
	         "  gridnode --port 5211 --node-id n2 --set log.level=debug\n"
	         "  GRIDNODE_BUS_RABBITMQ_PASSWORD=... gridnode   secrets are for the environment or password_file\n"
	         "\n"
	         "Options, with their defaults. In the file `bus: { driver = \"local\"; };`, in the environment\n"
	         "GRIDNODE_BUS_DRIVER=local, on the command line --set bus.driver=local; each wins over the one before.\n"
	         "Durations are written 500ms 2s 10m 24h (a plain number is milliseconds), sizes 512 64K 1M (bytes),\n"
	         "lists a,b (in the file [\"a\", \"b\"]).\n"
	         "\n");
	options_help(&config_options, out);
}
