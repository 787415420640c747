#include "bus/rabbitmq/unbinds.h"

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>

/* Users' and rooms' keys differ, and so do those of nodes: the text alone tells them apart. */
struct entry {
	struct unbind unbind;
	UT_hash_handle hh;
	char text[];
};

struct unbinds {
	struct entry *known;  /* all that were added */
	struct unbind *head;  /* those not taken yet */
	struct unbind **tail; /* where the next one is linked */
	size_t taken;
};

struct unbinds *unbinds_new(void)
{
	struct unbinds *u = calloc(1, sizeof(*u));
	if (u)
		u->tail = &u->head;
	return u;
}

struct unbinds *unbinds_free(struct unbinds *u)
{
	if (u)
		unbinds_clear(u);
	free(u);
	return NULL;
}

void unbinds_clear(struct unbinds *u)
{
	struct entry *e, *next;

	HASH_ITER(hh, u->known, e, next) {
		HASH_DEL(u->known, e);
		free(e);
	}
	*u = (struct unbinds){.tail = &u->head};
}

void unbinds_add(struct unbinds *u, enum exchange exchange, const char *key)
{
	size_t n = strlen(key);
	struct entry *e;

	HASH_FIND(hh, u->known, key, n, e);
	if (e || HASH_COUNT(u->known) >= UNBINDS_MAX)
		return;
	e = calloc(1, sizeof(*e) + n + 1);
	if (!e)
		return;
	memcpy(e->text, key, n);
	e->unbind = (struct unbind){.exchange = exchange, .key = e->text};
	HASH_ADD(hh, u->known, text, n, e);
	if (!e->hh.tbl) {
		free(e);
		return;
	}
	*u->tail = &e->unbind;
	u->tail = &e->unbind.next;
}

bool unbinds_waiting(const struct unbinds *u)
{
	return u->head;
}

const struct unbind *unbinds_take(struct unbinds *u)
{
	struct unbind *first = u->head;

	if (first) {
		u->head = first->next;
		if (!u->head)
			u->tail = &u->head;
		u->taken++;
	}
	return first;
}

size_t unbinds_taken(const struct unbinds *u)
{
	return u->taken;
}
