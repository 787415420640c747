/* Processes that a run watches from outside: their time on the processor, and their memory. Children that come and go
 * are not followed. */
#ifndef GRID_BENCH_WATCHED_H
#define GRID_BENCH_WATCHED_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/options.h"

enum watched_moment {
	WATCHED_START,     /* before anything connected */
	WATCHED_CONNECTED, /* all are there, nothing was published */
	WATCHED_END,
	WATCHED_MOMENTS,
};

/* One or more processes that count as one. */
struct watched {
	struct str name; /* in the option's text */
	pid_t *pids;
	size_t n;
	bool gone;       /* one of them has ended: what is known of it is not the whole */
	uint64_t cpu_ns; /* user and system, all threads, since watched_begin() */
	uint64_t began_ns;
	uint64_t memory_kb[WATCHED_MOMENTS]; /* Pss: shared pages count in proportion */
};

struct watched_list {
	struct watched *items;
	size_t n;
};

enum { WATCHED_E_USAGE = 1 };

/* Each text is name=pid[+pid…]. WATCHED_E_USAGE: it is not, or there is no such process, or it may not be looked at;
 * `errp` says so. -ENOMEM. Deinit is due in any case. */
GRID_MUST_CHECK int watched_init(struct watched_list *list, const struct option_strings *texts, struct buf *errp);
void watched_deinit(struct watched_list *list);
/* Takes note of the memory at this moment. */
void watched_weigh(struct watched_list *list, enum watched_moment moment);
/* Processor time counts from here … */
void watched_begin(struct watched_list *list);
/* … to the last call of this one. */
void watched_look(struct watched_list *list);

#endif
