/* What the process uses and may use of the machine. */
#ifndef GRID_BENCH_USAGE_H
#define GRID_BENCH_USAGE_H

#include <stdint.h>

struct cpu {
	uint64_t process_us; /* all threads */
	uint64_t thread_us;  /* the calling one */
};

/* Time on the processor so far. */
struct cpu cpu_now(void);
/* Raises the limit of open files as far as it goes; what it is then. */
uint64_t raise_file_limit(void);

#endif
