/* Where a run is, on stderr: a line for each step, for scripts; and on a terminal one line that is rewritten. */
#ifndef GRID_BENCH_PROGRESS_H
#define GRID_BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct progress {
	bool terminal;
	bool shown; /* the rewritten line is on the screen */
	uint64_t next_us;
};

void progress_init(struct progress *progress);
/* `gridbench: ` and a line, at once. */
GRID_PRINTF(2, 3) void progress_step(struct progress *progress, const char *fmt, ...);
/* Is it time to rewrite the line? Never, if this is no terminal. */
bool progress_due(struct progress *progress, uint64_t now_us);
GRID_PRINTF(2, 3) void progress_show(struct progress *progress, const char *fmt, ...);

#endif
