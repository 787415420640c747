#include "bench/limit/stream.h"

#include <stdlib.h>

static void free_chunks(struct chunk *chunk)
{
	for (struct chunk *next; chunk; chunk = next) {
		next = chunk->next;
		buf_deinit(&chunk->bytes);
		free(chunk);
	}
}

void stream_deinit(struct stream *stream)
{
	GRID_ASSERT(!stream->first);
	free_chunks(stream->open);
	free_chunks(stream->spare);
	*stream = (struct stream){0};
}

static struct chunk *take_chunk(struct stream *stream)
{
	struct chunk *chunk = stream->spare;

	if (!chunk)
		return calloc(1, sizeof(*chunk));
	stream->spare = chunk->next;
	chunk->next = NULL;
	return chunk;
}

struct buf *stream_open(struct stream *stream)
{
	if (!stream->open)
		stream->open = take_chunk(stream);
	if (!stream->open)
		return NULL;
	stream->open->start = stream->end;
	return &stream->open->bytes;
}

void stream_seal(struct stream *stream)
{
	struct chunk *chunk = stream->open;

	if (!chunk || chunk->bytes.n == 0)
		return;
	stream->end += chunk->bytes.n;
	if (!stream->first && chunk->readers == 0) {
		buf_reset(&chunk->bytes); /* all have it */
		return;
	}
	if (stream->last)
		stream->last->next = chunk;
	else
		stream->first = chunk;
	stream->last = chunk;
	stream->open = NULL;
}

/* Readers only move on: what nobody is in, and nobody comes to, is done with. */
static void release(struct stream *stream)
{
	struct chunk *chunk;

	while ((chunk = stream->first) && chunk->readers == 0) {
		stream->first = chunk->next;
		buf_reset(&chunk->bytes);
		chunk->next = stream->spare;
		stream->spare = chunk;
	}
	if (!stream->first)
		stream->last = NULL;
}

void reader_begin(struct stream *stream, struct reader *reader, size_t at)
{
	GRID_ASSERT(!reader->chunk && stream->open);
	stream->open->readers++;
	*reader = (struct reader){stream->open, at};
}

void reader_took(struct stream *stream, struct reader *reader, size_t n)
{
	struct chunk *chunk = reader->chunk;

	reader->at += n;
	if (reader->at < chunk->bytes.n)
		return;
	*reader = (struct reader){chunk->next, 0};
	if (reader->chunk)
		reader->chunk->readers++;
	chunk->readers--;
	release(stream);
}

uint64_t reader_behind(const struct stream *stream, const struct reader *reader)
{
	return reader->chunk ? stream->end + stream_fresh(stream).n - reader->chunk->start - reader->at : 0;
}

void reader_leave(struct stream *stream, struct reader *reader)
{
	if (!reader->chunk)
		return;
	reader->chunk->readers--;
	reader->chunk = NULL;
	release(stream);
}
