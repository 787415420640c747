/* Questions asked without waiting for the answers, which come in the order of the questions: how many may be asked now.
 * Pure. */
#ifndef GRID_BENCH_BARE_WINDOW_H
#define GRID_BENCH_BARE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct window {
	uint32_t wanted; /* questions in all */
	uint32_t size;   /* unanswered at most */
	uint32_t asked, answered;
};

/* May the next one, number `asked`, be asked? */
static inline bool window_open(const struct window *window)
{
	return window->asked < window->wanted && window->asked - window->answered < window->size;
}

static inline bool window_done(const struct window *window)
{
	return window->answered == window->wanted;
}

/* One answer came. False: nothing was asked. */
static inline bool window_answer(struct window *window)
{
	if (window->answered == window->asked)
		return false;
	window->answered++;
	return true;
}

/* No more is asked: it is done when all that was asked is answered. */
static inline void window_cut(struct window *window)
{
	window->wanted = window->asked;
}

#endif
