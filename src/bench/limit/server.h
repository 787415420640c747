/* `gridbench limit`: a server that does nothing but what a fan-out over websockets cannot do without. What it uses of
 * the machine is what other servers are measured by. */
#ifndef GRID_BENCH_LIMIT_SERVER_H
#define GRID_BENCH_LIMIT_SERVER_H

#include "bench/verb.h"

struct limit_options {
	char *listen;
	int64_t batch;   /* ms */
	int64_t backlog; /* bytes */
};

extern const struct verb limit_verb;

#endif
