#include "core/holding.h"

#include <utlist.h>

enum holding_state { FRESH, HELD, READY };

static const struct metric_row rows[] = {
    METRIC_GAUGE_ROW(struct holding_counters, held, "grid_held", NULL,
                     "Deliveries for users that no socket of theirs has taken yet"),
    METRIC_COUNTER_ROW(struct holding_counters, delivered, "grid_held_delivered_total", NULL,
                       "Of these, taken by sockets after all"),
    METRIC_COUNTER_ROW(struct holding_counters, over_time, "grid_held_handed_over_total", "reason=\"time\"",
                       "Of these, handed to the offline queue: stray.hold was over, or stray.max reached"),
    METRIC_COUNTER_ROW(struct holding_counters, over_room, "grid_held_handed_over_total", "reason=\"room\"",
                       "Of these, handed to the offline queue: stray.hold was over, or stray.max reached"),
    METRIC_COUNTER_ROW(struct holding_counters, expired, "grid_expired_total", NULL,
                       "Deliveries dropped because their expiration had passed"),
};

void holding_init(struct holding *h, const struct holding_limits *limits, struct metric_registry *metrics)
{
	*h = (struct holding){.limits = *limits, .metrics = metrics};
	metrics_add(metrics, &h->metric_set, rows, GRID_ARRAY_LEN(rows), &h->counters);
}

void holding_hold_until(struct holding *h, uint64_t until_ms)
{
	h->limits.hold_until_ms = until_ms;
}

void holding_deinit(struct holding *h)
{
	GRID_ASSERT(!h->fresh && !h->held && !h->ready);
	metrics_remove(h->metrics, &h->metric_set);
}

static struct bus_delivery **list_of(struct holding *h, enum holding_state state)
{
	return state == FRESH ? &h->fresh : state == HELD ? &h->held : &h->ready;
}

static void enter(struct holding *h, struct bus_delivery *d, enum holding_state state)
{
	struct bus_delivery **list = list_of(h, state);

	d->core.state = (uint8_t)state;
	DL_APPEND2(*list, d, core.prev, core.next);
	h->n_held += state == HELD;
	counter_set(&h->counters.held, h->n_held);
}

static void leave(struct holding *h, struct bus_delivery *d)
{
	struct bus_delivery **list = list_of(h, (enum holding_state)d->core.state);

	DL_DELETE2(*list, d, core.prev, core.next);
	h->n_held -= d->core.state == HELD;
	counter_set(&h->counters.held, h->n_held);
}

/* The one place where a delivery's state changes: FRESH → HELD, READY; HELD → READY. */
static void move(struct holding *h, struct bus_delivery *d, enum holding_state state)
{
	GRID_ASSERT(state > (enum holding_state)d->core.state);
	leave(h, d);
	enter(h, d, state);
}

/* Users share one frame; asking each target for its own makes no difference. */
static void set_notice(struct bus_delivery *d, void *notice)
{
	for (size_t i = 0; i < d->n_targets; i++)
		if (d->targets[i].key.kind == KEY_USER)
			d->targets[i].frame->notice = notice;
}

void holding_decide(struct bus_delivery *d, enum bus_settle_how how)
{
	GRID_ASSERT(d->core.state == FRESH);
	set_notice(d, NULL);
	d->core.waiting = 0;
	d->core.how = (uint8_t)how;
}

static void end(struct holding *h, struct bus_delivery *d, enum bus_settle_how how)
{
	set_notice(d, NULL);
	d->core.how = (uint8_t)how;
	move(h, d, READY);
}

static bool has_expired(const struct bus_delivery *d, uint64_t now_ms)
{
	return d->expires_at_ms && d->expires_at_ms <= now_ms;
}

bool holding_add(struct holding *h, struct bus_delivery *d, uint64_t now_ms)
{
	enter(h, d, FRESH);
	d->core.waiting = 0;
	if (has_expired(d, now_ms)) {
		counter_add(&h->counters.expired, 1);
		holding_decide(d, BUS_REJECTED);
		return false;
	}
	for (size_t i = 0; i < d->n_targets; i++)
		if (d->targets[i].key.kind == KEY_USER)
			d->core.waiting++;
	set_notice(d, d);
	d->core.how = BUS_ACCEPTED;
	return true;
}

static struct bus_target *find_waiting(struct bus_delivery *d, const struct key *user)
{
	for (size_t i = 0; i < d->n_targets; i++)
		if (!d->targets[i].placed && key_eq(&d->targets[i].key, user))
			return &d->targets[i];
	return NULL;
}

bool holding_placed(struct holding *h, struct bus_delivery *d, const struct key *user)
{
	struct bus_target *target = find_waiting(d, user);

	if (!target)
		return false; /* another session of his was faster */
	GRID_ASSERT(d->core.waiting > 0);
	target->placed = true;
	if (--d->core.waiting > 0 || d->core.state == FRESH)
		return false;
	counter_add(&h->counters.delivered, 1);
	end(h, d, BUS_ACCEPTED);
	return true;
}

static void hand_over(struct holding *h, struct bus_delivery *d, uint64_t now_ms, struct counter *why)
{
	bool expired = has_expired(d, now_ms);

	counter_add(expired ? &h->counters.expired : why, 1);
	end(h, d, expired ? BUS_REJECTED : BUS_STRAY);
}

/* What is offered can be taken at once, but only what was offered before: the next in the list stays in it. */
static void offer_list(struct holding *h, struct bus_delivery *list, const struct key *user, uint64_t now_ms,
                       holding_offer_fn *offer, void *arg)
{
	struct bus_delivery *d, *next;

	DL_FOREACH_SAFE2(list, d, next, core.next) {
		struct bus_target *target = d->core.waiting ? find_waiting(d, user) : NULL;
		if (target && (has_expired(d, now_ms) || !offer(arg, target->frame)))
			hand_over(h, d, now_ms, &h->counters.over_room);
	}
}

void holding_offer(struct holding *h, const struct key *user, uint64_t now_ms, holding_offer_fn *offer, void *arg)
{
	offer_list(h, h->held, user, now_ms, offer, arg);
	offer_list(h, h->fresh, user, now_ms, offer, arg);
}

void holding_tick(struct holding *h, uint64_t now_ms)
{
	while (h->n_held > h->limits.max)
		hand_over(h, h->held, now_ms, &h->counters.over_room);
	while (h->held && h->held->core.due_ms <= now_ms)
		hand_over(h, h->held, now_ms, &h->counters.over_time);
}

static void hold(struct holding *h, struct bus_delivery *d, uint64_t now_ms)
{
	uint64_t due_ms = now_ms + h->limits.hold_ms;

	d->core.due_ms = due_ms > h->limits.hold_until_ms ? due_ms : h->limits.hold_until_ms;
	move(h, d, HELD);
}

void holding_flushed(struct holding *h, uint64_t now_ms)
{
	for (struct bus_delivery *d; (d = h->fresh);) {
		if (d->core.waiting)
			hold(h, d, now_ms);
		else
			end(h, d, (enum bus_settle_how)d->core.how);
	}
	holding_tick(h, now_ms);
}

struct bus_delivery *holding_next(struct holding *h, enum bus_settle_how *howp)
{
	struct bus_delivery *d = h->ready;

	if (d) {
		leave(h, d);
		*howp = (enum bus_settle_how)d->core.how;
	}
	return d;
}

void holding_forget(struct holding *h)
{
	struct bus_delivery **const lists[] = {&h->fresh, &h->held, &h->ready};

	for (size_t i = 0; i < GRID_ARRAY_LEN(lists); i++) {
		for (struct bus_delivery *d; (d = *lists[i]);) {
			set_notice(d, NULL);
			leave(h, d);
		}
	}
}
