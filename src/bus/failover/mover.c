#include "bus/failover/mover.h"

#define REST_MS 30000 /* nothing was there */
#define RETRY_MS 5000 /* something could not be moved */

static void rest(struct mover *m, uint64_t due_ms)
{
	m->state = MOVER_RESTING;
	m->due_ms = due_ms;
	m->lost = false;
}

void mover_tick(struct mover *m, struct bus *fallback, uint64_t now_ms)
{
	if (m->state != MOVER_RESTING || now_ms < m->due_ms)
		return;
	m->due_ms = now_ms + RETRY_MS;
	if (bus_stored_fetch(fallback) == 0)
		m->state = MOVER_ASKED;
}

void mover_lost(struct mover *m)
{
	if (m->state == MOVER_MOVING)
		m->lost = true;
	else
		m->state = MOVER_RESTING;
}

static void finish(struct mover *m, struct bus *fallback, uint64_t now_ms)
{
	size_t moved = 0;

	while (moved < m->n && m->moved[moved])
		moved++;
	m->total += moved;
	bool deleted = !m->lost && bus_stored_moved(fallback, moved) == 0;
	rest(m, deleted && moved == m->n ? now_ms : now_ms + RETRY_MS);
}

static bool publish(struct bus *primary, const struct bus_stored *stored, size_t index)
{
	struct bus_publication *p = bus_publication_new(&stored->key, &stored->message, (void *)(uintptr_t)index);

	if (!p)
		return false;
	p->reach = BUS_TO_ABSENT;
	if (bus_publish(primary, p) == 0)
		return true;
	bus_publication_free(p);
	return false;
}

void mover_on_stored(struct mover *m, struct bus *primary, struct bus *fallback, const struct bus_stored *stored,
                     size_t n, uint64_t now_ms)
{
	GRID_ASSERT(m->state == MOVER_ASKED && n <= BUS_STORED_MAX);
	if (n == 0) {
		rest(m, now_ms + REST_MS);
		return;
	}
	m->state = MOVER_MOVING;
	m->n = n;
	m->open = 0;
	for (size_t i = 0; i < n; i++) {
		m->moved[i] = false;
		m->open += publish(primary, &stored[i], i);
	}
	if (m->open == 0)
		finish(m, fallback, now_ms);
}

void mover_on_published(struct mover *m, struct bus *fallback, size_t index, bool moved, uint64_t now_ms)
{
	GRID_ASSERT(m->state == MOVER_MOVING && m->open > 0);
	m->moved[index] = moved;
	if (--m->open == 0)
		finish(m, fallback, now_ms);
}
