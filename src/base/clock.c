#include "base/clock.h"

#include <time.h>

static uint64_t read_us(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_thread_us(void)
{
	return read_us(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000u;
}

uint64_t clock_unix_us(void)
{
	return read_us(CLOCK_REALTIME);
}

uint64_t clock_unix_ms(void)
{
	return clock_unix_us() / 1000u;
}

struct now clock_now(void)
{
	return (struct now){.mono_ms = clock_mono_ms(), .unix_ms = clock_unix_ms()};
}
