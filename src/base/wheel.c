#include "base/wheel.h"

#include <stddef.h>

static void list_init(struct wheel_entry *head)
{
	head->prev = head->next = head;
}

static void list_add(struct wheel_entry *head, struct wheel_entry *entry)
{
	entry->prev = head->prev;
	entry->next = head;
	head->prev->next = entry;
	head->prev = entry;
}

void wheel_init(struct wheel *w, uint64_t tick_ms, uint64_t now_ms)
{
	w->tick_ms = tick_ms;
	w->now_tick = now_ms / tick_ms;
	for (int i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slots[i]);
}

void wheel_cancel(struct wheel_entry *entry)
{
	if (!entry->next)
		return;
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	entry->prev = entry->next = NULL;
}

void wheel_set(struct wheel *w, struct wheel_entry *entry, uint64_t due_ms)
{
	wheel_cancel(entry);
	uint64_t tick = due_ms / w->tick_ms + (due_ms % w->tick_ms != 0);
	if (tick <= w->now_tick)
		tick = w->now_tick + 1;
	entry->due_tick = tick;
	list_add(&w->slots[tick % WHEEL_SLOTS], entry);
}

static void fire_slot(struct wheel *w, uint64_t now_ms, wheel_fire_fn *fire, void *arg)
{
	struct wheel_entry *head = &w->slots[w->now_tick % WHEEL_SLOTS];
	struct wheel_entry taken;

	/* Move the slot to a list of our own: the callback may cancel any entry, ours included, and set others into
	 * this very slot for a later round. */
	list_init(&taken);
	if (head->next != head) {
		taken.next = head->next;
		taken.prev = head->prev;
		taken.next->prev = &taken;
		taken.prev->next = &taken;
		list_init(head);
	}
	while (taken.next != &taken) {
		struct wheel_entry *entry = taken.next;
		wheel_cancel(entry);
		if (entry->due_tick > w->now_tick)
			list_add(head, entry); /* a later round */
		else
			fire(entry, now_ms, arg);
	}
}

void wheel_advance(struct wheel *w, uint64_t now_ms, wheel_fire_fn *fire, void *arg)
{
	uint64_t target = now_ms / w->tick_ms;

	/* After a long sleep every slot is looked at once, with the clock already at the end. */
	if (target > w->now_tick + WHEEL_SLOTS)
		w->now_tick = target - WHEEL_SLOTS;
	while (w->now_tick < target) {
		w->now_tick++;
		fire_slot(w, now_ms, fire, arg);
	}
}
