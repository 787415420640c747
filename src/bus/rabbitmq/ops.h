/* The binds and unbinds under way on a channel: sent in order, answered in order, nothing in the answer says to what.
 *
 *   head ── sent, unanswered ──┬── not sent yet ── tail
 *                              unsent
 *
 * When the broker refuses one it closes the channel, and everything after it is void: rewind, and send again on a new
 * channel. */
#ifndef GRID_BUS_RABBITMQ_OPS_H
#define GRID_BUS_RABBITMQ_OPS_H

#include <stdbool.h>

struct op;

struct ops {
	struct op *head, *tail;
	struct op *unsent;
};

void ops_push(struct ops *q, struct op *op);
/* The next one to send, now counted as sent; NULL when there is none. */
struct op *ops_send(struct ops *q);
/* The oldest one sent, answered and out of the queue; NULL when none was sent. */
struct op *ops_answer(struct ops *q);
/* Nothing counts as sent any more. */
void ops_rewind(struct ops *q);
/* The oldest one, sent or not; NULL when empty. */
struct op *ops_pop(struct ops *q);
static inline bool ops_unanswered(const struct ops *q)
{
	return q->head != q->unsent;
}

#endif
