/* What --help prints: the verbs, the table of options, exit codes, examples. */
#ifndef GRID_BENCH_HELP_H
#define GRID_BENCH_HELP_H

#include "base/buf.h"

struct option;

void bench_help(struct buf *out);
/* The line about one option. */
void help_option(const struct option *row, struct buf *out);

#endif
