#include "bench/verb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "bench/bare/bind.h"
#include "bench/bare/pipe.h"
#include "bench/help.h"
#include "bench/limit/server.h"

enum { VERB_E_USAGE = 1, VERB_E_HELP };

static const struct verb *const verbs[] = {&limit_verb, &pipe_verb, &bind_verb};

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < GRID_ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

void verbs_help(struct buf *out)
{
	for (size_t i = 0; i < GRID_ARRAY_LEN(verbs); i++)
		buf_printf(out, "  gridbench %-17s %s\n", verbs[i]->name, verbs[i]->title);
}

static void put_help(const struct verb *verb, struct buf *out)
{
	buf_printf(out, "gridbench %s - %s\n\n%s\nOptions\n", verb->name, verb->title, verb->text);
	for (const struct option *row = verb->rows; row->name; row++)
		help_option(row, out);
}

/* A plain number is seconds, not milliseconds. */
static int set_option(const struct option_set *set, void *config, const char *name, const char *text, struct buf *errp)
{
	struct buf value GRID_CLEANUP(buf_deinit) = BUF_INIT;
	const struct option *row = options_find(set, name, NULL);

	buf_puts(&value, text);
	if (row && row->type == OPTION_TYPE_DURATION && *text && text[strspn(text, "0123456789")] == '\0')
		buf_putc(&value, 's');
	buf_putc(&value, '\0');
	if (value.failed)
		return -ENOMEM;
	buf_puts(errp, "--");
	int r = options_set(set, config, name, value.p, errp);
	if (r > 0)
		return VERB_E_USAGE;
	buf_reset(errp);
	return r;
}

static bool takes_value(const struct option_set *set, const char *name)
{
	const struct option *row = options_find(set, name, NULL);
	return row && row->type != OPTION_TYPE_BOOL;
}

/* The option at *atp; what stands behind it is next. */
static int read_option(const struct option_set *set, void *config, char *const *argv, int *atp, struct buf *errp)
{
	const char *argument = argv[(*atp)++];
	const char *text = strchr(argument, '=');
	char name[64];

	if (strncmp(argument, "--", 2) != 0) {
		buf_printf(errp, "unexpected argument %s", LOG_QUOTED(str_from(argument)));
		return VERB_E_USAGE;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
	if (strcmp(name, "help") == 0)
		return VERB_E_HELP;
	if (text)
		return set_option(set, config, name, text + 1, errp);
	if (!takes_value(set, name))
		return set_option(set, config, name, "true", errp);
	if (argv[*atp])
		return set_option(set, config, name, argv[(*atp)++], errp);
	buf_printf(errp, "--%s: a value is missing", name);
	return VERB_E_USAGE;
}

static enum bench_exit print_help(const struct verb *verb)
{
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	put_help(verb, &text);
	bool written = !text.failed && fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0;
	return written ? BENCH_EXIT_OK : BENCH_EXIT_FAILED;
}

static enum bench_exit read_and_run(const struct verb *verb, const struct option_set *set, void *config,
                                    char *const *argv)
{
	struct buf error GRID_CLEANUP(buf_deinit) = BUF_INIT;
	int r = options_init(set, config);

	for (int at = 1; r == 0 && argv[at];)
		r = read_option(set, config, argv, &at, &error);
	if (r == 0)
		return verb->run(config);
	if (r == VERB_E_HELP)
		return print_help(verb);
	fprintf(stderr, "gridbench: %.*s; see gridbench %s --help\n",
	        STR_ARG(r > 0 ? buf_str(&error) : STR("out of memory")), verb->name);
	return r > 0 ? BENCH_EXIT_USAGE : BENCH_EXIT_FAILED;
}

enum bench_exit verb_main(const struct verb *verb, char *const *argv)
{
	const struct option_group group = {"", verb->rows, 0};
	const struct option_set set = {&group, 1};
	void *config = calloc(1, verb->config_size);

	if (!config)
		return BENCH_EXIT_FAILED;
	enum bench_exit result = read_and_run(verb, &set, config, argv);
	options_deinit(&set, config);
	free(config);
	return result;
}
