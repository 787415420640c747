/* A growable byte buffer to build text in. A failed allocation is remembered, so one check at the end is enough. */
#ifndef GRID_BASE_BUF_H
#define GRID_BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
	char *p;
	size_t n;
	size_t cap;
	bool failed; /* an allocation failed: contents are incomplete, further puts do nothing */
};

#define BUF_INIT ((struct buf){NULL, 0, 0, false})

/* Frees the memory; the buffer is empty and usable again. Fits GRID_CLEANUP. */
void buf_deinit(struct buf *b);
/* Forgets the contents, keeps the memory. */
void buf_reset(struct buf *b);
/* Makes room for `n` more bytes (0 is fine) and returns where they go; the caller adds to b->n. NULL: out of memory. */
char *buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *text);
void buf_put_str(struct buf *b, struct str s);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_i64(struct buf *b, int64_t v);
GRID_PRINTF(2, 3) void buf_printf(struct buf *b, const char *fmt, ...);
static inline struct str buf_str(const struct buf *b)
{
	return (struct str){b->p ? b->p : "", b->n};
}

#endif
