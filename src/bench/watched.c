#include "bench/watched.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
#define PID_MAX 4194304 /* more than any kernel gives */

/* The processor clock of a process counts nanoseconds, and the threads that have ended are in it: the ticks of
 * /proc/PID/stat are too coarse for a short run. False: it has ended. */
static bool read_cpu(pid_t pid, uint64_t *nsp)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
		return false;
	*nsp = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
	return true;
}

/* -errno; -ESRCH as well when it has no memory any more. */
static int read_memory(pid_t pid, uint64_t *kbp)
{
	char path[64], line[256];
	int r = -ESRCH;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return -errno;
	while (r != 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "Pss: %" SCNu64 " kB", kbp) == 1)
			r = 0;
	fclose(file);
	return r;
}

/* --- what is watched ---------------------------------------------------------------------------------------------- */

static int refuse(struct buf *errp, const char *text, const char *why)
{
	buf_printf(errp, "--watch: %s: %s\n", text, why);
	return WATCHED_E_USAGE;
}

/* Could it be looked at now? */
static int check(const struct watched *watched, const char *text, struct buf *errp)
{
	uint64_t ignored;

	for (size_t i = 0; i < watched->n; i++) {
		if (!read_cpu(watched->pids[i], &ignored))
			return refuse(errp, text, "there is no such process");
		int r = read_memory(watched->pids[i], &ignored);
		if (r != 0)
			return refuse(errp, text, strerrordesc_np(-r));
	}
	return 0;
}

static int init_one(struct watched *watched, const char *text, struct buf *errp)
{
	const char *at = strchr(text, '=');

	if (!at || at == text || strspn(text, NAME_BYTES) != (size_t)(at - text))
		return refuse(errp, text, "expected name=pid[+pid…]");
	watched->name = (struct str){text, (size_t)(at - text)};
	watched->pids = calloc(strlen(at), sizeof(*watched->pids));
	if (!watched->pids)
		return -ENOMEM;
	do {
		char *end;
		unsigned long pid = strtoul(at + 1, &end, 10);
		if (at[1] < '0' || at[1] > '9' || pid == 0 || pid > PID_MAX || (*end != '+' && *end != '\0'))
			return refuse(errp, text, "expected name=pid[+pid…]");
		watched->pids[watched->n++] = (pid_t)pid;
		at = end;
	} while (*at == '+');
	return check(watched, text, errp);
}

int watched_init(struct watched_list *list, const struct option_strings *texts, struct buf *errp)
{
	int r = 0;

	list->items = calloc(texts->n + 1, sizeof(*list->items));
	if (!list->items)
		return -ENOMEM;
	while (r == 0 && list->n < texts->n) {
		size_t i = list->n++;
		r = init_one(&list->items[i], texts->items[i], errp);
	}
	return r;
}

void watched_deinit(struct watched_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i].pids);
	free(list->items);
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

void watched_weigh(struct watched_list *list, enum watched_moment moment)
{
	for (struct watched *w = list->items; w < list->items + list->n; w++) {
		for (size_t i = 0; i < w->n; i++) {
			uint64_t kb = 0;
			if (read_memory(w->pids[i], &kb) != 0)
				w->gone = true;
			w->memory_kb[moment] += kb;
		}
	}
}

static uint64_t cpu_of(struct watched *watched)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < watched->n; i++) {
		uint64_t ns = 0;
		if (!read_cpu(watched->pids[i], &ns))
			watched->gone = true;
		sum += ns;
	}
	return sum;
}

void watched_begin(struct watched_list *list)
{
	for (struct watched *w = list->items; w < list->items + list->n; w++)
		w->began_ns = cpu_of(w);
}

void watched_look(struct watched_list *list)
{
	for (struct watched *w = list->items; w < list->items + list->n; w++) {
		uint64_t now_ns = cpu_of(w);
		if (!w->gone)
			w->cpu_ns = now_ns - w->began_ns;
	}
}
