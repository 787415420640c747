/* What is published to a room, as bytes ready to be sent, shared by all receivers.
 *
 *   bytes are put into the open chunk; the receivers are sent it; it is sealed
 *
 *   first ──▶ chunk ──▶ chunk ──▶ last      open
 *               ▲         ▲                   ▲
 *            reader    reader               what comes now
 *
 * Who took all of a chunk needs no place here. Who did not has a reader, and goes through the chunks after that at its
 * own pace. Chunks stay while a reader may come to them, and are used again: nothing is allocated while nobody is
 * behind. */
#ifndef GRID_BENCH_LIMIT_STREAM_H
#define GRID_BENCH_LIMIT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct chunk {
	struct buf bytes;
	uint64_t start; /* how much was in the stream before it */
	unsigned readers;
	struct chunk *next;
};

/* All zero: empty. */
struct stream {
	struct chunk *first, *last; /* sealed, not yet read by all */
	struct chunk *open;         /* NULL: none yet */
	struct chunk *spare;
	uint64_t end; /* bytes sealed so far */
};

/* `chunk` NULL: it is not behind. */
struct reader {
	struct chunk *chunk;
	size_t at;
};

/* No reader is left. */
void stream_deinit(struct stream *stream);
/* Where to put bytes: whole frames. Until the seal, readers do not see them. NULL: out of memory. */
struct buf *stream_open(struct stream *stream);
/* What is open, to be sent to those who are not behind. */
static inline struct str stream_fresh(const struct stream *stream)
{
	return stream->open ? buf_str(&stream->open->bytes) : STR("");
}
/* What is open has been offered to all. */
void stream_seal(struct stream *stream);

/* Puts a reader who is not behind at byte `at` of what is open. */
void reader_begin(struct stream *stream, struct reader *reader, size_t at);
/* What it is to be sent next, of one chunk. */
static inline struct str reader_rest(const struct reader *reader)
{
	return (struct str){reader->chunk->bytes.p + reader->at, reader->chunk->bytes.n - reader->at};
}
/* It was sent `n` bytes of its rest; past the last sealed chunk it is behind no more. Not before what it began in is
 * sealed. */
void reader_took(struct stream *stream, struct reader *reader, size_t n);
/* How many bytes of the stream it has not been sent; 0 when it is not behind. */
uint64_t reader_behind(const struct stream *stream, const struct reader *reader);
/* It wants no more. */
void reader_leave(struct stream *stream, struct reader *reader);

#endif
