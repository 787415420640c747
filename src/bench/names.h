/* What this run's users and rooms are called: the run's name is in them, so that runs do not meet. */
#ifndef GRID_BENCH_NAMES_H
#define GRID_BENCH_NAMES_H

#include <stdint.h>
#include <stdio.h>

#include "base/str.h"

#define BENCH_NAME_MAX 64

struct bench_name {
	char text[BENCH_NAME_MAX];
};

/* Room 3 of run x is "bench-x.3", user 3 "bench-x-3", publisher 3 "bench-x-p3". None needs escapes anywhere. */
static inline struct bench_name bench_room(const char *run, uint32_t i)
{
	struct bench_name name;
	snprintf(name.text, sizeof(name.text), "bench-%s.%u", run, i);
	return name;
}

static inline struct bench_name bench_user(const char *run, uint32_t i)
{
	struct bench_name name;
	snprintf(name.text, sizeof(name.text), "bench-%s-%u", run, i);
	return name;
}

static inline struct bench_name bench_publisher(const char *run, uint32_t i)
{
	struct bench_name name;
	snprintf(name.text, sizeof(name.text), "bench-%s-p%u", run, i);
	return name;
}

/* The number behind "bench-<run><separator>"; false: the name is none of those. */
static inline bool bench_name_number(struct str run, char separator, struct str name, uint32_t *numberp)
{
	const struct str start = STR("bench-");
	size_t head = start.n + run.n + 1;
	uint32_t number = 0;

	if (name.n <= head || !str_starts(name, start) || memcmp(name.p + start.n, run.p, run.n) != 0 ||
	    name.p[head - 1] != separator)
		return false;
	for (size_t i = head; i < name.n; i++) {
		if (name.p[i] < '0' || name.p[i] > '9' || number > UINT32_MAX / 100)
			return false;
		number = number * 10 + (uint32_t)(name.p[i] - '0');
	}
	*numberp = number;
	return true;
}

/* Is this a room of the run? Which one. */
static inline bool bench_room_number(struct str run, struct str name, uint32_t *numberp)
{
	return bench_name_number(run, '.', name, numberp);
}

/* Is this a user of the run? Which one. */
static inline bool bench_user_number(struct str run, struct str name, uint32_t *numberp)
{
	return bench_name_number(run, '-', name, numberp);
}

#endif
