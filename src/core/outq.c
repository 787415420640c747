#include "core/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/msgbuf.h"

#define FIRST_CAP 8

static void forget_ring(struct outq *q)
{
	free(q->slots);
	*q = (struct outq){0};
}

void outq_deinit(struct outq *q)
{
	for (struct msgbuf *m; (m = outq_pop(q));)
		msgbuf_unref(m);
	forget_ring(q);
}

static int grow(struct outq *q)
{
	uint32_t cap = q->cap ? q->cap * 2 : FIRST_CAP;
	struct msgbuf **slots = malloc(cap * sizeof(struct msgbuf *));
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->n; i++)
		slots[i] = q->slots[(q->head + i) & (q->cap - 1)];
	free(q->slots);
	q->slots = slots;
	q->cap = cap;
	q->head = 0;
	return 0;
}

int outq_push(struct outq *q, struct msgbuf *frame)
{
	if (q->n == q->cap && grow(q) != 0)
		return -ENOMEM;
	q->slots[(q->head + q->n++) & (q->cap - 1)] = msgbuf_ref(frame);
	q->bytes += frame->len;
	return 0;
}

struct msgbuf *outq_peek(const struct outq *q)
{
	return q->n ? q->slots[q->head] : NULL;
}

struct msgbuf *outq_pop(struct outq *q)
{
	if (q->n == 0)
		return NULL;
	struct msgbuf *m = q->slots[q->head];
	q->head = (q->head + 1) & (q->cap - 1);
	q->bytes -= m->len;
	if (--q->n == 0)
		forget_ring(q); /* idle connections pay nothing; the allocator gives the same block back */
	return m;
}
