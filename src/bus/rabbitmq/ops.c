#include "bus/rabbitmq/ops.h"

#include "bus/rabbitmq/mail.h"

void ops_push(struct ops *q, struct op *op)
{
	op->next = NULL;
	if (q->tail)
		q->tail->next = op;
	else
		q->head = op;
	q->tail = op;
	if (!q->unsent)
		q->unsent = op;
}

struct op *ops_send(struct ops *q)
{
	struct op *op = q->unsent;
	if (op)
		q->unsent = op->next;
	return op;
}

struct op *ops_pop(struct ops *q)
{
	struct op *op = q->head;
	if (!op)
		return NULL;
	if (q->unsent == op)
		q->unsent = op->next;
	q->head = op->next;
	if (!q->head)
		q->tail = NULL;
	op->next = NULL;
	return op;
}

struct op *ops_answer(struct ops *q)
{
	return ops_unanswered(q) ? ops_pop(q) : NULL;
}

void ops_rewind(struct ops *q)
{
	q->unsent = q->head;
}
