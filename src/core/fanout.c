#include "core/fanout.h"

#include <utlist.h>

#include "core/hub_impl.h"

/* Sessions fetched before they are looked at: so many pushes take longer than memory does. */
#define PUSH_AHEAD 8

/* --- into the queues ---------------------------------------------------------------------------------------------- */

/* Nobody's queue could ever hold it: its publisher is at fault, and no receiver is closed for that. */
static bool is_too_large(struct hub *hub, const struct bus_target *target)
{
	if (target->frame->len <= hub->config->limits.queue)
		return false;
	counter_add(&hub->counters.deliveries_too_large, 1);
	log_limited(&hub->log_limit, hub->now.mono_ms, LOG_LEVEL_WARN, "delivery.too_large",
	            "key=%s bytes=%u hint=\"above limits.queue, so no client can be sent it\"", target->key.text,
	            target->frame->len);
	return true;
}

/* Appends the frame to the session's queue; how many receivers that is: who was not welcomed is none. */
static size_t push_to(struct hub *hub, struct session *s, struct bus_delivery *d, const struct bus_target *target)
{
	if (s->state != SESSION_OPEN)
		return 0;
	if (!d->no_echo || memcmp(s->id.text, d->session, ULID_LEN) != 0)
		session_push(s, target->frame);
	else if (target->key.kind == KEY_USER)
		(void)holding_placed(&hub->holding, d, &target->key); /* his own: he knows */
	return 1;
}

static size_t push_to_members(struct hub *hub, const struct members *members, struct bus_delivery *d,
                              const struct bus_target *target)
{
	size_t n = 0;

	for (uint32_t i = 0; i < members->n; i++) {
		if (i + PUSH_AHEAD < members->n)
			__builtin_prefetch(members->items[i + PUSH_AHEAD].session, 1);
		n += push_to(hub, members->items[i].session, d, target);
	}
	return n;
}

static size_t fan_out(struct hub *hub, struct bus_delivery *d, const struct bus_target *target)
{
	struct topic *topic = topics_find(&hub->topics, &target->key);
	size_t n = 0;

	if (!topic)
		return 0;
	n += push_to_members(hub, &topic->members, d, target);
	/* Welcomed while the bus was down, and its key not known to be bound yet: it is here all the same. */
	if (target->key.kind == KEY_USER) {
		struct subscription *sub;
		DL_FOREACH(topic->waiting, sub)
			n += push_to(hub, sub->session, d, target);
	}
	counter_add(&hub->counters.deliveries, n);
	return n;
}

static void deliver(struct hub *hub, struct bus_delivery *d)
{
	bool for_user = false;
	size_t receivers = 0;

	if (!holding_add(&hub->holding, d, hub->now.mono_ms))
		return;
	for (size_t i = 0; i < d->n_targets; i++) {
		const struct bus_target *target = &d->targets[i];
		for_user |= target->key.kind == KEY_USER;
		if (!is_too_large(hub, target))
			receivers += fan_out(hub, d, target);
		else if (target->key.kind == KEY_USER)
			holding_decide(d, BUS_STRAY);
	}
	if (receivers || for_user)
		return;
	counter_add(&hub->counters.strays_room, 1);
	holding_decide(d, BUS_REJECTED);
}

void fanout_on_message(void *ctx, struct bus_delivery *const *batch, size_t n)
{
	struct hub *hub = ctx;

	hub_flush_soon(hub);
	for (size_t i = 0; i < n; i++)
		deliver(hub, batch[i]);
}

static bool offer(void *arg, struct msgbuf *frame)
{
	return session_offer(arg, frame);
}

void fanout_welcomed(struct session *s)
{
	holding_offer(&s->hub->holding, &s->own->topic->key, s->hub->now.mono_ms, offer, s);
}

/* --- back to the bus ---------------------------------------------------------------------------------------------- */

void fanout_taken(struct session *s, const struct msgbuf *frame)
{
	if (s->own && holding_placed(&s->hub->holding, frame->notice, &s->own->topic->key))
		hub_flush_soon(s->hub);
}

static void settle_ready(struct hub *hub)
{
	enum bus_settle_how how;

	for (struct bus_delivery *d; (d = holding_next(&hub->holding, &how));) {
		if (how == BUS_STRAY)
			counter_add(&hub->counters.strays_user, 1);
		bus_settle(hub->bus, d, how);
	}
}

void fanout_flushed(struct hub *hub)
{
	holding_flushed(&hub->holding, hub->now.mono_ms);
	settle_ready(hub);
}

void fanout_tick(struct hub *hub)
{
	holding_tick(&hub->holding, hub->now.mono_ms);
	settle_ready(hub);
}

void fanout_end(struct hub *hub)
{
	fanout_flushed(hub);
	holding_forget(&hub->holding);
}
