#include "core/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/msgbuf.h"

#define FIRST_CAP 8

static uint32_t capacity(const struct outq *q)
{
	return q->cap ? q->cap : 1;
}

static struct msgbuf **slot(struct outq *q, uint32_t i)
{
	return q->cap ? &q->slots[(q->head + i) & (q->cap - 1)] : &q->single;
}

static void forget_ring(struct outq *q)
{
	if (q->cap)
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
		slots[i] = *slot(q, i);
	if (q->cap)
		free(q->slots);
	q->slots = slots;
	q->cap = cap;
	q->head = 0;
	return 0;
}

int outq_push(struct outq *q, struct msgbuf *frame)
{
	if (q->n == capacity(q) && grow(q) != 0)
		return -ENOMEM;
	*slot(q, q->n++) = msgbuf_ref(frame);
	q->bytes += frame->len;
	return 0;
}

struct msgbuf *outq_peek(struct outq *q)
{
	return q->n ? *slot(q, 0) : NULL;
}

struct msgbuf *outq_pop(struct outq *q)
{
	if (q->n == 0)
		return NULL;
	struct msgbuf *m = *slot(q, 0);
	q->head++;
	q->bytes -= m->len;
	if (--q->n == 0)
		forget_ring(q); /* idle connections pay nothing; the allocator gives the same block back */
	return m;
}
