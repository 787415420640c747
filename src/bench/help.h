/* What --help prints: the table of options, exit codes, examples. */
#ifndef GRID_BENCH_HELP_H
#define GRID_BENCH_HELP_H

#include "base/buf.h"

void bench_help(struct buf *out);

#endif
