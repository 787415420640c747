/* A bounded queue of pointers from one thread to one other: the only way anything crosses between threads.
 *
 *   writer thread                    reader thread
 *   mailbox_push() ──▶ [ ring ] ──▶  mailbox_pop()
 *        └── wake(), once until the reader looks again ──▲
 *
 * Ownership of what a pointer names moves with it. One writer, one reader, no locks. */
#ifndef GRID_BASE_MAILBOX_H
#define GRID_BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { MAILBOX_E_FULL = 1 };

/* Called on the writer's thread to make the reader look; must be safe to call from there (ev_async_send, eventfd). */
typedef void mailbox_wake_fn(void *arg);

struct mailbox;

/* Room for exactly `capacity` items (> 0). NULL when out of memory. */
struct mailbox *mailbox_new(size_t capacity, mailbox_wake_fn *wake, void *wake_arg);
/* Takes NULL. Both threads must have stopped using it; items still inside are the caller's to drain first. */
struct mailbox *mailbox_free(struct mailbox *m);

/* Writer: 0, or MAILBOX_E_FULL and the item stays the caller's. */
GRID_MUST_CHECK int mailbox_push(struct mailbox *m, void *item);
/* Reader: takes up to `max` items, oldest first; returns how many. A wake-up after an empty result is guaranteed when
 * anything is pushed later. */
size_t mailbox_pop(struct mailbox *m, void **items, size_t max);
/* Reader: it will pop again by itself before long, whatever happens: no wake-ups until then. */
void mailbox_doze(struct mailbox *m);
/* Reader: is nothing in it at this moment? */
bool mailbox_empty(const struct mailbox *m);

#endif
