/* gridbench: reads the command line, then makes one run against a grid; or runs one of its verbs. */
#include <stdio.h>
#include <string.h>

#include "bench/help.h"
#include "bench/options.h"
#include "bench/run.h"
#include "bench/verb.h"

static enum bench_exit print(const struct buf *text)
{
	bool written = fwrite(text->p, 1, text->n, stdout) == text->n && fflush(stdout) == 0;
	return written && !text->failed ? BENCH_EXIT_OK : BENCH_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct bench_options options GRID_CLEANUP(bench_options_deinit) = {0};
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;
	enum bench_action action;
	const struct verb *verb = argc > 1 ? verb_find(argv[1]) : NULL;

	if (verb)
		return verb_main(verb, argv + 1);
	int r = bench_options_parse(&options, &action, argc, argv, &text);
	if (r != 0) {
		fprintf(stderr, "gridbench: %.*s", STR_ARG(r > 0 ? buf_str(&text) : STR("out of memory\n")));
		return r > 0 ? BENCH_EXIT_USAGE : BENCH_EXIT_FAILED;
	}
	switch (action) {
	case BENCH_HELP:
		bench_help(&text);
		return print(&text);
	case BENCH_VERSION:
		buf_puts(&text, "gridbench " GRID_VERSION "\n");
		return print(&text);
	case BENCH_RUN:
		break;
	}
	return bench_run(&options);
}
