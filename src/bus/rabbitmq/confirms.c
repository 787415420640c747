#include "bus/rabbitmq/confirms.h"

#include <stdlib.h>

#include "base/err.h"

struct slot {
	uint64_t number;
	void *item; /* NULL: confirmed ahead of its turn */
};

/* A ring, ascending by number. Those confirmed out of order leave holes, closed when the ring is full. */
struct confirms {
	size_t capacity;
	size_t head;
	size_t n;
	size_t outstanding;
	uint64_t next;
	struct slot slots[];
};

struct confirms *confirms_new(size_t capacity)
{
	GRID_ASSERT(capacity > 0);
	struct confirms *c = calloc(1, sizeof(*c) + capacity * sizeof(c->slots[0]));
	if (c) {
		c->capacity = capacity;
		c->next = 1;
	}
	return c;
}

struct confirms *confirms_free(struct confirms *c)
{
	free(c);
	return NULL;
}

void confirms_reset(struct confirms *c)
{
	c->head = c->n = c->outstanding = 0;
	c->next = 1;
}

uint64_t confirms_next(const struct confirms *c)
{
	return c->next;
}

static size_t index_of(const struct confirms *c, size_t i)
{
	return (c->head + i) % c->capacity;
}

static void close_holes(struct confirms *c)
{
	size_t kept = 0;
	for (size_t i = 0; i < c->n; i++)
		if (c->slots[index_of(c, i)].item)
			c->slots[index_of(c, kept++)] = c->slots[index_of(c, i)];
	c->n = kept;
}

void confirms_sent(struct confirms *c, void *item)
{
	if (c->n == c->capacity)
		close_holes(c);
	GRID_ASSERT(c->n < c->capacity);
	c->slots[index_of(c, c->n++)] = (struct slot){c->next++, item};
	c->outstanding++;
}

/* Position of `number`, or of the first one above it. */
static size_t position(const struct confirms *c, uint64_t number)
{
	size_t from = 0, to = c->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		if (c->slots[index_of(c, mid)].number < number)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

void *confirms_find(const struct confirms *c, uint64_t number)
{
	size_t i = position(c, number);
	if (i == c->n || c->slots[index_of(c, i)].number != number)
		return NULL;
	return c->slots[index_of(c, i)].item;
}

static void drop_front(struct confirms *c)
{
	while (c->n && !c->slots[c->head].item) {
		c->head = index_of(c, 1);
		c->n--;
	}
}

void *confirms_take(struct confirms *c, uint64_t number)
{
	void *item = confirms_find(c, number);
	if (item) {
		c->slots[index_of(c, position(c, number))].item = NULL;
		c->outstanding--;
		drop_front(c);
	}
	return item;
}

void *confirms_take_until(struct confirms *c, uint64_t number)
{
	drop_front(c);
	if (c->n == 0 || c->slots[c->head].number > number)
		return NULL;
	return confirms_take(c, c->slots[c->head].number);
}

size_t confirms_outstanding(const struct confirms *c)
{
	return c->outstanding;
}
