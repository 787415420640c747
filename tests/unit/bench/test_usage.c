/* What a thread is said to have used, and to have waited. */
#include "bench/usage.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "check_main.h"

static atomic_bool over;

static void *spin(void *arg)
{
	while (!atomic_load(&over))
		continue;
	return arg;
}

/* Two threads on one processor: one of them waits. */
START_TEST(waiting_for_a_processor_is_counted)
{
	cpu_set_t mine, one;
	pthread_t other;
	int first = 0;

	if (access("/proc/thread-self/schedstat", R_OK) != 0)
		return; /* unknown is 0 */
	ck_assert_int_eq(sched_getaffinity(0, sizeof(mine), &mine), 0);
	while (!CPU_ISSET(first, &mine))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert_int_eq(pthread_create(&other, NULL, spin, NULL), 0);
	const struct cpu before = cpu_now();
	struct cpu used;
	do
		used = cpu_since(&before);
	while (used.thread_us < 20000 || used.wait_us < 1000);
	atomic_store(&over, true);
	ck_assert_int_eq(pthread_join(other, NULL), 0);
	ck_assert_uint_ge(used.process_us, used.thread_us);
}
END_TEST

CHECK_MAIN("bench.usage", waiting_for_a_processor_is_counted)
