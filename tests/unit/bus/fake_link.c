#include "fake_link.h"

#include <stdlib.h>

#include <utlist.h>

struct item *item_new(struct item **line, enum item_kind kind)
{
	struct item *item = calloc(1, sizeof(*item));
	struct item *last = *line ? (*line)->prev : NULL;

	item->kind = kind;
	item->due_ms = grid_now + chance(latency_ms + 1);
	if (last && last->due_ms > item->due_ms)
		item->due_ms = last->due_ms;
	DL_APPEND(*line, item);
	return item;
}

void item_free(struct item *item)
{
	bus_publication_free(item->message);
	for (int i = 0; i < STORED_AT_ONCE; i++)
		bus_publication_free(item->stored[i]);
	free(item);
}

void clear_items(struct item **line)
{
	struct item *item, *next;

	DL_FOREACH_SAFE(*line, item, next) {
		DL_DELETE(*line, item);
		item_free(item);
	}
}

struct bus_publication *copy_of(const struct bus_publication *p)
{
	struct bus_publication *copy = bus_publication_new(&p->key, &p->message, NULL);
	copy->reach = p->reach;
	return copy;
}

void enqueue(struct queued **queue, const struct bus_publication *message)
{
	struct queued *q = calloc(1, sizeof(*q));
	q->message = copy_of(message);
	DL_APPEND(*queue, q);
}

void dequeue(struct queued **queue, struct queued *q)
{
	DL_DELETE(*queue, q);
	bus_publication_free(q->message);
	free(q);
}
