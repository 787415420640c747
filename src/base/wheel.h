/* A timer wheel for what every connection has (heartbeats, idle limits): O(1) to set, move and cancel.
 *
 * Deadlines are rounded up to the wheel's tick. An entry lies in the structure it is about; when it fires it is off the
 * wheel and may be set again from the callback. Source: Varghese & Lauck, hashed timing wheels (scheme 6). */
#ifndef GRID_BASE_WHEEL_H
#define GRID_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_SLOTS 512 /* a power of two; an entry is looked at once in so many ticks, due or not */

struct wheel_entry {
	struct wheel_entry *prev, *next; /* NULL: not on a wheel */
	uint64_t due_tick;
};

struct wheel {
	uint64_t tick_ms;
	uint64_t now_tick; /* all ticks up to this one have fired */
	struct wheel_entry slots[WHEEL_SLOTS];
};

typedef void wheel_fire_fn(struct wheel_entry *entry, uint64_t now_ms, void *arg);

void wheel_init(struct wheel *w, uint64_t tick_ms, uint64_t now_ms);
/* (Re)sets the entry to fire at the first tick not before `due_ms`, and never in the tick that is running. */
void wheel_set(struct wheel *w, struct wheel_entry *entry, uint64_t due_ms);
/* Fine on an entry that is not set. */
void wheel_cancel(struct wheel_entry *entry);
static inline bool wheel_is_set(const struct wheel_entry *entry)
{
	return entry->next;
}
/* Fires all that is due at `now_ms`. The callback may set or cancel any entry. */
void wheel_advance(struct wheel *w, uint64_t now_ms, wheel_fire_fn *fire, void *arg);

#endif
