#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024
#define EVENT_MAX_BYTES 100
#define TAIL_MAX_BYTES 32 /* " suppressed=4294967295\n" */

const char *const log_level_names[] = {"error", "warn", "info", "debug", NULL};

static atomic_int current_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	atomic_store(&current_level, (int)level);
}

static size_t put_head(char *line, size_t size, enum log_level level, const char *event)
{
	struct timespec ts;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	size_t n = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
	int more = snprintf(line + n, size - n, ".%03ldZ %s %.*s ", ts.tv_nsec / 1000000, log_level_names[level],
	                    EVENT_MAX_BYTES, event);
	return n + (size_t)more;
}

GRID_PRINTF(4, 0)
static void write_line(enum log_level level, const char *event, unsigned suppressed, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	size_t room = sizeof(line) - TAIL_MAX_BYTES;
	size_t n = put_head(line, room, level, event);

	int more = vsnprintf(line + n, room - n, fmt, ap);
	if (more > 0)
		n += (size_t)more < room - n ? (size_t)more : room - n - 1;
	if (suppressed)
		n += (size_t)snprintf(line + n, TAIL_MAX_BYTES, " suppressed=%u", suppressed);
	line[n++] = '\n';
	/* A log that cannot be written has nowhere to complain. */
	ssize_t ignored = write(STDERR_FILENO, line, n);
	(void)ignored;
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	if ((int)level > atomic_load_explicit(&current_level, memory_order_relaxed))
		return;
	va_list ap;
	va_start(ap, fmt);
	write_line(level, event, 0, fmt, ap);
	va_end(ap);
}

void log_limited(struct log_limit *limit, uint64_t now_ms, enum log_level level, const char *event, const char *fmt,
                 ...)
{
	if ((int)level > atomic_load_explicit(&current_level, memory_order_relaxed))
		return;                          /* nobody misses it, so it is not counted either */
	uint64_t second = now_ms / 1000 + 1; /* never 0, so that a zeroed limit is a fresh one */
	if (limit->second != second) {
		limit->second = second;
		limit->used = 0;
	}
	if (limit->used++ >= LOG_LIMIT_BURST) {
		limit->suppressed++;
		return;
	}
	unsigned suppressed = limit->suppressed;
	limit->suppressed = 0;
	va_list ap;
	va_start(ap, fmt);
	write_line(level, event, suppressed, fmt, ap);
	va_end(ap);
}

const char *log_quoted(struct log_quoted *q, struct str s)
{
	size_t at = 0;
	const size_t end = sizeof(q->text) - 5; /* `..."` and NUL */

	q->text[at++] = '"';
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (at + 4 > end) {
			memcpy(q->text + at, "...", 3);
			at += 3;
			break;
		}
		if (c == '"' || c == '\\') {
			q->text[at++] = '\\';
			q->text[at++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			at += (size_t)snprintf(q->text + at, sizeof(q->text) - at, "\\x%02x", c);
		} else {
			q->text[at++] = (char)c;
		}
	}
	q->text[at++] = '"';
	q->text[at] = '\0';
	return q->text;
}
