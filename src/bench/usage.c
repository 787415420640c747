#include "bench/usage.h"

#include <sys/resource.h>

static uint64_t used_us(int who)
{
	struct rusage usage;

	/* Cannot fail with these arguments. */
	(void)getrusage(who, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

struct cpu cpu_now(void)
{
	return (struct cpu){used_us(RUSAGE_SELF), used_us(RUSAGE_THREAD)};
}

uint64_t raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return UINT64_MAX; /* unknown: opening will tell */
	rlim_t soft = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : soft;
}
