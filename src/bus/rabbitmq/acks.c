#include "bus/rabbitmq/acks.h"

#include <errno.h>
#include <stdlib.h>

struct slot {
	uint64_t tag;
	bool settled;
};

/* A ring of the outstanding tags, ascending. */
struct acks {
	size_t capacity;
	size_t head;
	size_t n;
	size_t settled; /* how many of them wait for a flush */
	struct slot slots[];
};

struct acks *acks_new(size_t capacity)
{
	GRID_ASSERT(capacity > 0);
	struct acks *a = calloc(1, sizeof(*a) + capacity * sizeof(a->slots[0]));
	if (a)
		a->capacity = capacity;
	return a;
}

struct acks *acks_free(struct acks *a)
{
	free(a);
	return NULL;
}

void acks_reset(struct acks *a)
{
	a->head = a->n = a->settled = 0;
}

static struct slot *at(struct acks *a, size_t i)
{
	return &a->slots[(a->head + i) % a->capacity];
}

int acks_delivered(struct acks *a, uint64_t tag)
{
	if (a->n == a->capacity || (a->n && at(a, a->n - 1)->tag >= tag))
		return -EPROTO;
	*at(a, a->n++) = (struct slot){tag, false};
	return 0;
}

static size_t find(struct acks *a, uint64_t tag)
{
	size_t from = 0, to = a->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		if (at(a, mid)->tag < tag)
			from = mid + 1;
		else
			to = mid;
	}
	GRID_ASSERT(from < a->n && at(a, from)->tag == tag && !at(a, from)->settled);
	return from;
}

void acks_settle(struct acks *a, uint64_t tag)
{
	at(a, find(a, tag))->settled = true;
	a->settled++;
}

void acks_forget(struct acks *a, uint64_t tag)
{
	for (size_t i = find(a, tag); i + 1 < a->n; i++)
		*at(a, i) = *at(a, i + 1);
	a->n--;
}

/* Drops the settled ones from the oldest up to the first that is not: how many, and the last of them. */
static size_t drop_front(struct acks *a, uint64_t *tagp)
{
	size_t n = 0;

	while (a->n && a->slots[a->head].settled) {
		*tagp = a->slots[a->head].tag;
		a->head = (a->head + 1) % a->capacity;
		a->n--;
		a->settled--;
		n++;
	}
	return n;
}

/* Beyond the first that is not settled each is sent by itself; those that stay close up. */
static int flush_singles(struct acks *a, acks_send_fn *send, void *arg)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < a->n; i++) {
		struct slot slot = *at(a, i);
		if (!slot.settled)
			*at(a, kept++) = slot;
		else if (rc == 0)
			rc = send(arg, slot.tag, false);
	}
	a->n = kept;
	a->settled = 0;
	return rc;
}

int acks_flush(struct acks *a, acks_send_fn *send, void *arg)
{
	uint64_t tag = 0;

	if (a->settled == 0)
		return 0;
	size_t n = drop_front(a, &tag);
	int rc = n ? send(arg, tag, n > 1) : 0;
	if (rc == 0 && a->settled)
		rc = flush_singles(a, send, arg);
	return rc;
}

bool acks_waiting(const struct acks *a)
{
	return a->settled > 0;
}

size_t acks_capacity(const struct acks *a)
{
	return a->capacity;
}

size_t acks_outstanding(const struct acks *a)
{
	return a->n;
}
