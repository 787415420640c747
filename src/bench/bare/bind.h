/* `gridbench bind`: binds a queue to users' keys as fast as the broker answers. What it takes is what any node needs at
 * least, until so many users are connected; and it makes a storm of binds for others to be measured in. */
#ifndef GRID_BENCH_BARE_BIND_H
#define GRID_BENCH_BARE_BIND_H

#include "bench/verb.h"

extern const struct verb bind_verb;

#endif
