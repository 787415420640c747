/* What the server's loop calls back: it lies in the structure it is about. */
#ifndef GRID_BENCH_LIMIT_SOURCE_H
#define GRID_BENCH_LIMIT_SOURCE_H

#include <stdint.h>

struct source {
	void (*ready)(struct source *source, uint32_t events); /* EPOLLIN … */
};

#endif
