/* What the process uses and may use of the machine. */
#ifndef GRID_BENCH_USAGE_H
#define GRID_BENCH_USAGE_H

#include <stdint.h>

struct cpu {
	uint64_t process_us; /* all threads */
	uint64_t thread_us;  /* the calling one */
	uint64_t wait_us;    /* the calling one was ready to run and had no processor; 0: the kernel does not tell */
};

/* Time on the processor so far. */
struct cpu cpu_now(void);
/* What has been added to it, to the same thread. */
struct cpu cpu_since(const struct cpu *before);
/* Raises the limit of open files as far as it goes; what it is then. */
uint64_t raise_file_limit(void);

#endif
