/* The clocks. Read at the edges (loop, threads) and passed down as `struct now`, so that tests own the time. */
#ifndef GRID_BASE_CLOCK_H
#define GRID_BASE_CLOCK_H

#include <stdint.h>

struct now {
	uint64_t mono_ms; /* monotonic, for deadlines and intervals */
	uint64_t unix_ms; /* Unix time, for timestamps people see */
};

struct now clock_now(void);
uint64_t clock_mono_ms(void);
/* Monotonic microseconds, for measuring. */
uint64_t clock_mono_us(void);
/* Microseconds that the calling thread has had a core for. A system call, unlike the others. */
uint64_t clock_thread_us(void);
uint64_t clock_unix_ms(void);
uint64_t clock_unix_us(void);

#endif
