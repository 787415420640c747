#include "bench/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

static uint64_t used_us(int who)
{
	struct rusage usage;

	/* Cannot fail with these arguments. */
	(void)getrusage(who, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* In nanoseconds: on the processor, waiting for one, and how often. */
static uint64_t waited_us(void)
{
	uint64_t ran_ns, waited_ns = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &ran_ns, &waited_ns) != 2)
		waited_ns = 0;
	fclose(file);
	return waited_ns / 1000;
}

struct cpu cpu_now(void)
{
	return (struct cpu){used_us(RUSAGE_SELF), used_us(RUSAGE_THREAD), waited_us()};
}

struct cpu cpu_since(const struct cpu *before)
{
	const struct cpu now = cpu_now();

	return (struct cpu){now.process_us - before->process_us, now.thread_us - before->thread_us,
	                    now.wait_us - before->wait_us};
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
