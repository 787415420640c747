#include "bench/help.h"

#include "bench/options.h"
#include "bench/verb.h"

/* In the order of the table: the name of the first option of each part. */
static const struct part {
	const char *first;
	const char *title;
} parts[] = {
    {"url", "Who receives"},
    {"publishers", "Who publishes"},
    {"grace", "What counts, and how it is shown"},
};

static void put_value_name(const struct option *row, struct buf *out)
{
	static const char *const names[] = {
	    [OPTION_TYPE_STRING] = " TEXT", [OPTION_TYPE_STRINGS] = " LIST",  [OPTION_TYPE_INT] = " N",
	    [OPTION_TYPE_BOOL] = "",        [OPTION_TYPE_DURATION] = " TIME", [OPTION_TYPE_SIZE] = " BYTES",
	};

	if (row->type != OPTION_TYPE_ENUM) {
		buf_puts(out, names[row->type]);
		return;
	}
	for (size_t i = 0; row->choices[i]; i++)
		buf_printf(out, "%c%s", i ? '|' : ' ', row->choices[i]);
}

static void put_row(struct buf *out, const char *left, const char *help, const char *dflt)
{
	buf_printf(out, "  --%-26s %s", left, help);
	if (*dflt)
		buf_printf(out, " (%s)", dflt);
	buf_putc(out, '\n');
}

static void put_part(struct buf *out, const struct option *row)
{
	for (const struct part *part = parts; part < parts + GRID_ARRAY_LEN(parts); part++)
		if (strcmp(part->first, row->name) == 0)
			buf_printf(out, "\n%s\n", part->title);
}

void help_option(const struct option *row, struct buf *out)
{
	struct buf left GRID_CLEANUP(buf_deinit) = BUF_INIT;

	buf_puts(&left, row->name);
	put_value_name(row, &left);
	buf_putc(&left, '\0');
	if (!left.failed)
		put_row(out, left.p, row->help, row->type == OPTION_TYPE_BOOL ? "" : row->dflt);
}

static void put_options(struct buf *out)
{
	for (const struct option *row = bench_option_rows; row->name; row++) {
		put_part(out, row);
		help_option(row, out);
	}
	put_row(out, "scenario FILE", "options from a file: one a line, without the dashes; # comments", "");
	put_row(out, "help", "print this", "");
	put_row(out, "version", "print the version", "");
}

void bench_help(struct buf *out)
{
	buf_puts(out, "gridbench - puts load on a grid, and checks that every message arrives once and in order\n"
	              "\n"
	              "Usage: gridbench [options]\n"
	              "\n"
	              "Beside it, what a grid is compared with; each has a --help of its own:\n");
	verbs_help(out);
	put_options(out);
	buf_puts(
	    out,
	    "\n"
	    "A TIME is written 500ms 2s 10m; a plain number is seconds. BYTES are written 512 64K. A LIST is a,b or the\n"
	    "option again. SIGINT or SIGTERM ends the publishing early; a second one ends everything.\n"
	    "\n"
	    "Exit codes:\n"
	    "  0    nothing lost, nothing doubled, nothing misrouted\n"
	    "  1    something was: --examples 10 names it\n"
	    "  2    command line or scenario wrong\n"
	    "  3    could not connect, could not run\n"
	    "\n"
	    "Examples, beside scripts/run (. .run/env sets GRID_AMQP_URI):\n"
	    "  gridbench                                               100 clients in 10 rooms, 100 messages/s, 10 s\n"
	    "  gridbench --connections 2000 --sources 4 --rooms 500 --rate 1000 --publishers 4\n"
	    "  gridbench --to users --via amqp --persistent --rate 500   notifications as a backend sends them\n"
	    "  gridbench --url ws://127.0.0.1:5210/ws --url ws://127.0.0.1:5211/ws --json\n"
	    "  gridbench --rate 0 --window 256 --size 1K               as fast as the grid takes them\n"
	    "  gridbench --scenario chat.scenario --duration 1m        options from a file\n"
	    "\n"
	    "What the numbers mean: docs/gridbench.md\n");
}
