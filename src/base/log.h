/* Log lines are events: `2026-01-01T12:00:00.123Z level event key=value ...` on stderr, one write each.
 *
 * `event` is dotted lower case (`bus.down`, `session.too_slow`); say who it is about in the keys. Text that came from
 * outside goes through log_quoted(), so that it can neither break the line nor pretend to be another key.
 * Never on the path of every message. Safe from any thread. */
#ifndef GRID_BASE_LOG_H
#define GRID_BASE_LOG_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum log_level {
	LOG_LEVEL_ERROR, /* something people were promised does not work; somebody must act */
	LOG_LEVEL_WARN,  /* works, but not as it should; look at it when it keeps coming */
	LOG_LEVEL_INFO,  /* a change of state worth knowing afterwards: start, stop, connection up or down */
	LOG_LEVEL_DEBUG, /* what a developer follows step by step */
};

extern const char *const log_level_names[]; /* "error" "warn" "info" "debug", NULL; index = enum log_level */

/* Lines above this level are dropped. INFO until set. */
void log_set_level(enum log_level level);

GRID_PRINTF(3, 4) void log_event(enum log_level level, const char *event, const char *fmt, ...);

#define log_error(event, ...) log_event(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...) log_event(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...) log_event(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

/* At most `burst` lines a second through one limit; the first line after a silence says how many were left out
 * (`suppressed=N`). Zeroed = ready. A limit belongs to one thread. */
struct log_limit {
	uint64_t second;
	unsigned used;
	unsigned suppressed;
};
#define LOG_LIMIT_BURST 5
GRID_PRINTF(5, 6)
void log_limited(struct log_limit *limit, uint64_t now_ms, enum log_level level, const char *event, const char *fmt,
                 ...);

/* `"..."` with quotes, backslashes and control characters escaped, cut (with `...`) to fit. */
struct log_quoted {
	char text[200];
};
const char *log_quoted(struct log_quoted *q, struct str s);
/* log_quoted() with storage for the enclosing block. */
#define LOG_QUOTED(s) log_quoted(&(struct log_quoted){{0}}, (s))

#endif
