/* One run from the first connection to the report:
 *
 *   CONNECTING ──all are there──▶ PUBLISHING ──duration is over, or a signal──▶ SETTLING ──▶ DONE
 *
 * On stderr it says where it is: `gridbench: connected …`, `publishing`, `settling`, `done`. */
#ifndef GRID_BENCH_RUN_H
#define GRID_BENCH_RUN_H

#include "bench/options.h"

enum bench_exit {
	BENCH_EXIT_OK = 0,
	BENCH_EXIT_FOUND = 1, /* something is lost, doubled or misrouted */
	BENCH_EXIT_USAGE = 2,
	BENCH_EXIT_FAILED = 3, /* could not connect, could not run */
};

enum bench_exit bench_run(const struct bench_options *options);

#endif
