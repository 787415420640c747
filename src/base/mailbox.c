#include "base/mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CACHE_LINE 64

struct mailbox {
	size_t capacity;
	mailbox_wake_fn *wake;
	void *wake_arg;
	/* Positions count up for ever; the slot is position % capacity. Each on a line of its own, because the two
	 * threads write them. */
	_Alignas(CACHE_LINE) atomic_size_t head; /* next to read, written by the reader */
	_Alignas(CACHE_LINE) atomic_size_t tail; /* next to write, written by the writer */
	_Alignas(CACHE_LINE) atomic_bool woken;  /* a wake-up is on its way; the reader clears it before it looks */
	void *slots[];
};

struct mailbox *mailbox_new(size_t capacity, mailbox_wake_fn *wake, void *wake_arg)
{
	GRID_ASSERT(capacity > 0);
	size_t size = sizeof(struct mailbox) + capacity * sizeof(void *);
	struct mailbox *m = aligned_alloc(CACHE_LINE, (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	if (!m)
		return NULL;
	m->capacity = capacity;
	m->wake = wake;
	m->wake_arg = wake_arg;
	atomic_init(&m->head, 0);
	atomic_init(&m->tail, 0);
	atomic_init(&m->woken, false);
	return m;
}

struct mailbox *mailbox_free(struct mailbox *m)
{
	free(m);
	return NULL;
}

int mailbox_push(struct mailbox *m, void *item)
{
	size_t tail = atomic_load_explicit(&m->tail, memory_order_relaxed);
	if (tail - atomic_load_explicit(&m->head, memory_order_acquire) == m->capacity)
		return MAILBOX_E_FULL;
	m->slots[tail % m->capacity] = item;
	/* Sequentially consistent with `woken` below and in mailbox_pop(): either we see the reader's reset and wake it,
	 * or the reader sees this item. */
	atomic_store(&m->tail, tail + 1);
	if (!atomic_exchange(&m->woken, true))
		m->wake(m->wake_arg);
	return 0;
}

size_t mailbox_pop(struct mailbox *m, void **items, size_t max)
{
	atomic_store(&m->woken, false);
	size_t head = atomic_load_explicit(&m->head, memory_order_relaxed);
	size_t n = atomic_load(&m->tail) - head;
	if (n > max)
		n = max;
	for (size_t i = 0; i < n; i++)
		items[i] = m->slots[(head + i) % m->capacity];
	atomic_store_explicit(&m->head, head + n, memory_order_release);
	return n;
}

void mailbox_doze(struct mailbox *m)
{
	atomic_store(&m->woken, true);
}

bool mailbox_empty(const struct mailbox *m)
{
	return atomic_load(&m->tail) == atomic_load_explicit(&m->head, memory_order_relaxed);
}
