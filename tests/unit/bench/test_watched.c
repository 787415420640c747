/* Watching a process: ourselves, whose processor time and memory we can make grow. */
#include "bench/watched.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check_main.h"

#define GROWN_KB 32768

static struct watched_list list;
static struct buf err;

GRID_PRINTF(1, 2) static int init(const char *fmt, ...)
{
	static char text[128];
	static char *items[1] = {text};
	const struct option_strings texts = {items, 1};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	list = (struct watched_list){.n = 0};
	err = BUF_INIT;
	return watched_init(&list, &texts, &err);
}

static void done(void)
{
	watched_deinit(&list);
	buf_deinit(&err);
}

/* Until our own processor clock has gone on by so much. */
static void work(clock_t ticks)
{
	for (clock_t start = clock(); clock() - start < ticks;)
		;
}

START_TEST(what_a_process_uses)
{
	ck_assert_int_eq(init("us=%d", (int)getpid()), 0);
	ck_assert(str_eq(list.items[0].name, STR("us")));
	work(CLOCKS_PER_SEC / 100); /* before the beginning: does not count */
	watched_weigh(&list, WATCHED_START);
	watched_begin(&list);
	watched_look(&list);
	uint64_t before_ns = list.items[0].cpu_ns;
	ck_assert_uint_lt(before_ns, 10000000);
	work(CLOCKS_PER_SEC / 100);
	volatile char *memory = malloc((size_t)GROWN_KB << 10);
	for (size_t kb = 0; kb < GROWN_KB; kb++)
		memory[kb << 10] = 1;
	watched_look(&list);
	watched_weigh(&list, WATCHED_CONNECTED);
	free((void *)memory);
	ck_assert_uint_ge(list.items[0].cpu_ns, before_ns + 9000000);
	ck_assert_uint_ge(list.items[0].memory_kb[WATCHED_CONNECTED],
	                  list.items[0].memory_kb[WATCHED_START] + GROWN_KB - 1024);
	ck_assert(!list.items[0].gone);
	done();
}
END_TEST

START_TEST(several_count_as_one)
{
	ck_assert_int_eq(init("two=%d+%d", (int)getpid(), (int)getppid()), 0);
	ck_assert_uint_eq(list.items[0].n, 2);
	done();
}
END_TEST

START_TEST(one_that_ends_is_noticed)
{
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	pid_t child = fork();
	if (child == 0) {
		char byte;
		close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1); /* until the other end is closed */
	}
	close(pipes[0]);
	ck_assert_int_eq(init("child=%d", (int)child), 0);
	watched_begin(&list);
	close(pipes[1]);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	watched_look(&list);
	ck_assert(list.items[0].gone);
	done();
}
END_TEST

START_TEST(refuses_what_it_cannot_watch)
{
	static const char *const texts[] = {"",     "1",     "=1",    "a=",   "a=x",    "a=0",
	                                    "a=1+", "a=1+x", "a=1,2", "a=-1", "a\"b=1", "a=99999999"};

	for (size_t i = 0; i < GRID_ARRAY_LEN(texts); i++) {
		ck_assert_msg(init("%s", texts[i]) == WATCHED_E_USAGE, "%s", texts[i]);
		ck_assert(str_starts(buf_str(&err), STR("--watch: ")));
		done();
	}
	ck_assert_int_eq(init("none=4194303"), WATCHED_E_USAGE);
	done();
}
END_TEST

CHECK_MAIN("bench.watched", what_a_process_uses, several_count_as_one, one_that_ends_is_noticed,
           refuses_what_it_cannot_watch)
