#include "bench/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/ulid.h"
#include "base/clock.h"
#include "bench/payload.h"
#include "wire/names.h"

#define MAX_S 86400000 /* a day */
#define LINE_MAX_BYTES 8192
#define RUN_LEN 8

static const char *const distribution_names[] = {"uniform", "zipf", NULL};
static const char *const via_names[] = {"ws", "amqp", "both", NULL};
static const char *const to_names[] = {"rooms", "users", "both", NULL};

#define ROW(name_, type_, field_, dflt_, help_)                                                                        \
	.name = (name_), .type = OPTION_TYPE_##type_, .offset = offsetof(struct bench_options, field_), .dflt = (dflt_),   \
	.help = (help_)

const struct option bench_option_rows[] = {
    {ROW("url", STRINGS, url, "ws://127.0.0.1:5200/ws", "a node or nginx; again for more, connections take turns")},
    {ROW("dialect", ENUM, dialect, "grid", "how it is spoken to; plain: texts, {room} and {user} stand in the URL"),
     .choices = dialect_names},
    {ROW("login", STRING, login, "", "user:password, for dialects that log in"), .secret = true},
    {ROW("connections", INT, connections, "100", "websockets that receive"), .max = 1000000},
    {ROW("users", INT, users, "0", "connections are spread over so many users; 0: each its own"), .max = 1000000},
    {ROW("rooms", INT, rooms, "10", "rooms in all"), .min = 1, .max = 1000000},
    {ROW("rooms-per-user", INT, rooms_per_user, "1", "rooms each user is in"), .max = 256},
    {ROW("distribution", ENUM, distribution, "uniform", "which rooms users are in, and where messages go"),
     .choices = distribution_names},
    {ROW("sources", STRINGS, sources, "", "local addresses to connect from, or how many of 127.0.0.1, 127.0.0.2, …")},
    {ROW("connect-rate", INT, connect_rate, "1000", "new connections a second in the beginning"), .min = 1,
     .max = 1000000},
    {ROW("connect-timeout", DURATION, connect_timeout, "30s", "without progress, before it gives up"), .min = 100,
     .max = MAX_S},
    {ROW("pin", BOOL, pin, "false", "a lost connection comes back to the same URL, not to the next")},
    {ROW("publishers", INT, publishers, "1", "who publish, each over a connection of its own"), .max = 10000},
    {ROW("publish-url", STRINGS, publish_url, "", "where publishers over websockets connect to; else --url")},
    {ROW("via", ENUM, via, "ws", "how they publish; both: by turns"), .choices = via_names},
    {ROW("to", ENUM, to, "rooms", "what they publish to; both: half and half"), .choices = to_names},
    {ROW("rate", INT, rate, "100", "messages a second of all publishers; 0: as fast as the window lets them"),
     .max = 10000000},
    {ROW("size", SIZE, size, "128", "bytes of a payload, at least what its numbers need"), .max = 1 << 20},
    {ROW("window", INT, window, "64", "unanswered messages each publisher may have"), .min = 1, .max = 65536},
    {ROW("hold", DURATION, hold, "0", "with all connected, wait so long before anything is published"), .max = MAX_S},
    {ROW("warm-up", DURATION, warm_up, "0", "publish so long before what is measured begins"), .max = MAX_S},
    {ROW("duration", DURATION, duration, "10s", "how long to publish"), .min = 100, .max = MAX_S},
    {ROW("persistent", BOOL, persistent, "false", "AMQP messages with delivery_mode 2")},
    {ROW("amqp", STRING, amqp, "", "amqp://… of a publisher's account; else the environment's GRID_AMQP_URI"),
     .secret = true},
    {ROW("offline", STRING, offline, "", "amqp://… of a worker's account: look into the offline queue, too"),
     .secret = true},
    {ROW("prefix", STRING, prefix, "grid", "of the exchanges and the queue (bus.prefix of the nodes)")},
    {ROW("watch", STRINGS, watch, "", "name=pid[+pid…]: processor time and memory of these processes")},
    {ROW("grace", DURATION, grace, "5s", "a session that ended sooner after an acknowledgement is excused"),
     .max = MAX_S},
    {ROW("settle", DURATION, settle, "10s", "wait at most so long for what is still under way"), .max = MAX_S},
    {ROW("examples", INT, examples, "0", "name the first messages lost, doubled, disordered, misrouted"),
     .max = 100000},
    {ROW("run", STRING, run, "", "name of this run, in every payload, user and room; else random")},
    {ROW("json", BOOL, json, "false", "one JSON object instead of the table")},
    OPTIONS_END,
};

#define N_ROWS (GRID_ARRAY_LEN(bench_option_rows) - 1)

static const struct option_group group = {"", bench_option_rows, 0};
static const struct option_set set = {&group, 1};

/* Where values come from: a later source replaces lists, within one they grow. */
struct source {
	const char *name; /* "--" or "file:3: " */
	bool given[N_ROWS];
};

/* --- one option --------------------------------------------------------------------------------------------------- */

/* `where` and `what` about it; what is in `errp` already stands before them. */
static int usage(struct buf *errp, const char *where, const char *what)
{
	buf_printf(errp, "%s%s; see gridbench --help\n", where, what);
	return BENCH_OPTIONS_E_USAGE;
}

/* A plain number is seconds here, not milliseconds. A list that was given before in this source is continued. */
static void complete_value(const struct bench_options *options, const struct source *source, const struct option *row,
                           const char *text, struct buf *out)
{
	if (row->type == OPTION_TYPE_STRINGS && source->given[row - bench_option_rows]) {
		options_get(&set, options, row->name, out);
		buf_putc(out, ',');
	}
	buf_puts(out, text);
	if (row->type == OPTION_TYPE_DURATION && *text && text[strspn(text, "0123456789")] == '\0')
		buf_putc(out, 's');
	buf_putc(out, '\0');
}

/* `text` NULL: there was none. */
static int set_option(struct bench_options *options, struct source *source, const char *name, const char *text,
                      struct buf *errp)
{
	struct buf value GRID_CLEANUP(buf_deinit) = BUF_INIT;
	const struct option *row = options_find(&set, name, NULL);

	buf_puts(errp, source->name);
	if (row && !text && row->type != OPTION_TYPE_BOOL)
		return usage(errp, name, ": a value is missing");
	if (row)
		complete_value(options, source, row, text ? text : "true", &value);
	if (value.failed)
		return -ENOMEM;
	int r = options_set(&set, options, name, row ? value.p : "", errp);
	if (r > 0)
		return usage(errp, "", "");
	if (r < 0)
		return r;
	buf_reset(errp);
	source->given[row - bench_option_rows] = true;
	return 0;
}

static bool takes_value(const char *name)
{
	const struct option *row = options_find(&set, name, NULL);
	return row && row->type != OPTION_TYPE_BOOL;
}

/* --- scenario files ----------------------------------------------------------------------------------------------- */

static char *trimmed(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	for (size_t n = strlen(text); n && isspace((unsigned char)text[n - 1]); n--)
		text[n - 1] = '\0';
	return text;
}

/* `name value`, `name=value`, `name`, a comment, or nothing. */
static int set_line(struct bench_options *options, struct source *source, char *line, struct buf *errp)
{
	char *name = trimmed(line);

	if (*name == '#' || *name == '\0')
		return 0;
	char *end = name + strcspn(name, "= \t");
	char *text = trimmed(end + strspn(end, " \t"));
	text = *text == '=' ? trimmed(text + 1) : text;
	*end = '\0';
	return set_option(options, source, name, *text ? text : NULL, errp);
}

static int read_scenario(struct bench_options *options, const char *path, struct buf *errp)
{
	char line[LINE_MAX_BYTES], where[LINE_MAX_BYTES];
	struct source source = {.name = where};
	FILE *file = fopen(path, "re");
	int r = 0;

	if (!file) {
		buf_printf(errp, "%s: ", path);
		return usage(errp, "", strerrordesc_np(errno));
	}
	for (int number = 1; r == 0 && fgets(line, sizeof(line), file); number++) {
		snprintf(where, sizeof(where), "%s:%d: ", path, number);
		r = set_line(options, &source, line, errp);
	}
	fclose(file);
	return r;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

struct arguments {
	char *const *argv;
	int argc;
	int at;
	char name[64];     /* without the dashes */
	const char *value; /* NULL: none */
};

/* The next option into `name` and `value`. */
static int next_argument(struct arguments *args, struct buf *errp)
{
	const char *argument = args->argv[args->at++];

	if (strcmp(argument, "-h") == 0)
		argument = "--help";
	if (strncmp(argument, "--", 2) != 0)
		return usage(errp, "unexpected argument ", LOG_QUOTED(str_from(argument)));
	size_t n = strcspn(argument + 2, "=");
	snprintf(args->name, sizeof(args->name), "%.*s", (int)n, argument + 2);
	args->value = argument[2 + n] ? argument + 2 + n + 1 : NULL;
	bool wants = takes_value(args->name) || strcmp(args->name, "scenario") == 0;
	if (!args->value && wants && args->at < args->argc)
		args->value = args->argv[args->at++];
	return 0;
}

/* What is about the command line itself and no option of a run. */
static bool is_special(const char *name)
{
	return strcmp(name, "help") == 0 || strcmp(name, "version") == 0 || strcmp(name, "scenario") == 0;
}

/* First what stands behind all options: --help wins over everything, and a scenario is read before the others. */
static int read_special(struct bench_options *options, enum bench_action *actionp, struct arguments args,
                        struct buf *errp)
{
	struct source source = {.name = "--"};

	while (args.at < args.argc) {
		int r = next_argument(&args, errp);
		if (r != 0)
			return r;
		if (!is_special(args.name) && !options_find(&set, args.name, NULL))
			return set_option(options, &source, args.name, NULL, errp);
		if (strcmp(args.name, "help") == 0)
			*actionp = BENCH_HELP;
		else if (strcmp(args.name, "version") == 0 && *actionp == BENCH_RUN)
			*actionp = BENCH_VERSION;
		else if (strcmp(args.name, "scenario") == 0 && !args.value)
			return usage(errp, "--scenario", ": a value is missing");
		else if (strcmp(args.name, "scenario") == 0 && (r = read_scenario(options, args.value, errp)) != 0)
			return r;
	}
	return 0;
}

static int read_arguments(struct bench_options *options, struct arguments args, struct buf *errp)
{
	struct source source = {.name = "--"};

	while (args.at < args.argc) {
		int r = next_argument(&args, errp);
		if (r == 0 && !is_special(args.name))
			r = set_option(options, &source, args.name, args.value, errp);
		if (r != 0)
			return r;
	}
	return 0;
}

/* --- what must fit together --------------------------------------------------------------------------------------- */

static int replace(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* The random part of an id made now. */
static int name_run(struct bench_options *options)
{
	struct ulid_source source = {0};
	struct ulid id;

	if (*options->run)
		return 0;
	ulid_next(&source, clock_unix_ms(), &id);
	return replace(&options->run, id.text + ULID_LEN - RUN_LEN);
}

static int complete(struct bench_options *options, struct buf *errp)
{
	const char *uri = getenv("GRID_AMQP_URI");

	if (options->url.n == 0)
		return usage(errp, "--url", ": there is none");
	if (*options->run && (!node_id_valid(str_from(options->run)) || strlen(options->run) > 32))
		return usage(errp, "--run: expected up to 32 letters, digits, - and _, got ",
		             LOG_QUOTED(str_from(options->run)));
	if (options->rooms_per_user > options->rooms)
		return usage(errp, "--rooms-per-user", ": there are not so many --rooms");
	if (options->users == 0)
		options->users = options->connections;
	if (options->users == 0 && options->to != TO_ROOMS)
		return usage(errp, "--to", ": there are no users to publish to");
	if (!*options->amqp && uri) {
		int r = replace(&options->amqp, uri);
		if (r != 0)
			return r;
	}
	if (options->via != VIA_WS && options->publishers && !*options->amqp)
		return usage(errp, "--via", ": publishing by AMQP needs --amqp");
	if (options->via != VIA_AMQP && options->to == TO_BOTH && dialect_list[options->dialect]->joins == 0)
		return usage(errp, "--to", ": a URL names rooms or users, not both");
	return name_run(options);
}

int bench_options_parse(struct bench_options *options, enum bench_action *actionp, int argc, char *const *argv,
                        struct buf *errp)
{
	struct arguments args = {.argv = argv, .argc = argc, .at = 1};

	*actionp = BENCH_RUN;
	int r = options_init(&set, options);
	if (r != 0)
		return r;
	r = read_special(options, actionp, args, errp);
	if (r != 0 || *actionp != BENCH_RUN)
		return r;
	r = read_arguments(options, args, errp);
	return r != 0 ? r : complete(options, errp);
}

struct dialect bench_options_dialect(const struct bench_options *options)
{
	size_t n = strcspn(options->login, ":");
	bool given = *options->login;

	return (struct dialect){
	    .ops = dialect_list[options->dialect],
	    .run = str_from(options->run),
	    .rooms = (uint32_t)options->rooms,
	    .prefix = options->prefix,
	    .payload_size = payload_size(str_from(options->run), (size_t)options->size),
	    .login = given ? (struct str){options->login, n} : STR_NONE,
	    .password = given ? str_from(options->login + n + (options->login[n] == ':')) : STR_NONE,
	};
}

const struct option_strings *bench_options_publish_urls(const struct bench_options *options)
{
	return options->publish_url.n ? &options->publish_url : &options->url;
}

bool bench_options_mention(const struct option_strings *urls, const char *text)
{
	for (size_t i = 0; i < urls->n; i++)
		if (strstr(urls->items[i], text))
			return true;
	return false;
}

void bench_options_deinit(struct bench_options *options)
{
	options_deinit(&set, options);
}
