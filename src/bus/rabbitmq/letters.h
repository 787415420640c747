/* A queue of letters, linked by `next`. */
#ifndef GRID_BUS_RABBITMQ_LETTERS_H
#define GRID_BUS_RABBITMQ_LETTERS_H

#include "bus/rabbitmq/mail.h"

struct letters {
	struct letter *head, *tail;
};

static inline void letters_push(struct letters *q, struct letter *l)
{
	l->next = NULL;
	if (q->tail)
		q->tail->next = l;
	else
		q->head = l;
	q->tail = l;
}

static inline struct letter *letters_pop(struct letters *q)
{
	struct letter *l = q->head;
	if (l) {
		q->head = l->next;
		if (!q->head)
			q->tail = NULL;
		l->next = NULL;
	}
	return l;
}

#endif
