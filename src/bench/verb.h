/* A verb of gridbench: `gridbench limit …`. What a grid is compared with, each a program of its own in the same file.
 */
#ifndef GRID_BENCH_VERB_H
#define GRID_BENCH_VERB_H

#include "base/options.h"
#include "bench/run.h"

struct verb {
	const char *name;
	const char *title; /* a line for --help */
	const char *text;  /* more of it, in lines */
	const struct option *rows;
	size_t config_size; /* of the structure that the rows fill */
	enum bench_exit (*run)(const void *config);
};

/* The verb of that name, or NULL. */
const struct verb *verb_find(const char *name);
/* Reads the verb's command line, argv[0] being its name and NULL its end, and runs it; or prints its help, or what is
 * wrong. */
enum bench_exit verb_main(const struct verb *verb, char *const *argv);
/* A line for each, for gridbench's own help. */
void verbs_help(struct buf *out);

#endif
