/* `gridbench pipe`: from a publish to a consumer through the broker, with librabbitmq and nothing else. What a message
 * takes on this way is what any node adds to. */
#ifndef GRID_BENCH_BARE_PIPE_H
#define GRID_BENCH_BARE_PIPE_H

#include "bench/verb.h"

extern const struct verb pipe_verb;

#endif
