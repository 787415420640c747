/* Which acknowledgements the broker has taken for certain. AMQP answers none of them; but it answers channel.flow
 * (AMQP 0-9-1, with active=true it changes nothing), after all that came before it on the same channel. So such a
 * question follows the acknowledgements: one at a time, and not more often than every BARRIER_MS. */
#ifndef GRID_BUS_RABBITMQ_BARRIER_H
#define GRID_BUS_RABBITMQ_BARRIER_H

#include <stdbool.h>
#include <stdint.h>

#define BARRIER_MS 20

/* All zero for a new channel. */
struct barrier {
	uint64_t acknowledged;
	uint64_t asked; /* of these, when the question was put */
	uint64_t taken; /* of these, when the last answer came */
	bool open;      /* the question is under way */
	uint64_t due_ms;
};

static inline bool barrier_needed(const struct barrier *b)
{
	return !b->open && b->acknowledged > b->asked;
}

/* May the question be put now? */
static inline bool barrier_due(const struct barrier *b, uint64_t now_ms)
{
	return barrier_needed(b) && now_ms >= b->due_ms;
}

static inline void barrier_asked(struct barrier *b, uint64_t now_ms)
{
	b->asked = b->acknowledged;
	b->open = true;
	b->due_ms = now_ms + BARRIER_MS;
}

/* False: nothing was asked. */
static inline bool barrier_answered(struct barrier *b)
{
	bool was_open = b->open;

	b->open = false;
	if (was_open)
		b->taken = b->asked;
	return was_open;
}

#endif
