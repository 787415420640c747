/* SIGINT and SIGTERM, to be read from a descriptor. */
#ifndef GRID_BENCH_SIGNALS_H
#define GRID_BENCH_SIGNALS_H

#include <stdbool.h>

#include "base/err.h"

/* From here on they come to *fdp only; before any thread is started, so that none of them takes one. -errno. */
GRID_MUST_CHECK int signals_open(int *fdp);
/* Takes one, if one came. */
bool signals_take(int fd);
/* Waits for one, `timeout_ms` at most, and takes it. */
bool signals_wait(int fd, int timeout_ms);

#endif
