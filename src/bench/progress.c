#include "bench/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define EVERY_US 500000
#define CLEAR_LINE "\r\033[K"

void progress_init(struct progress *progress)
{
	*progress = (struct progress){.terminal = isatty(STDERR_FILENO) == 1};
}

static void clear(struct progress *progress)
{
	if (progress->shown)
		fputs(CLEAR_LINE, stderr);
	progress->shown = false;
}

void progress_step(struct progress *progress, const char *fmt, ...)
{
	va_list ap;

	clear(progress);
	fputs("gridbench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	fflush(stderr);
}

bool progress_due(struct progress *progress, uint64_t now_us)
{
	if (!progress->terminal || now_us < progress->next_us)
		return false;
	progress->next_us = now_us + EVERY_US;
	return true;
}

void progress_show(struct progress *progress, const char *fmt, ...)
{
	va_list ap;

	clear(progress);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
	progress->shown = true;
}
