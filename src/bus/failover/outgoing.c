/* Publications: kept, sent over one bus or both, sent again, and answered once.
 *
 * Over both (a peer is cut off from the primary) a user's message goes over the fallback first, for those who are
 * present, and over the primary when that is answered: so that only one of them leaves a copy for an absent user. The
 * primary's queue waits meanwhile, which keeps its order. */
#include <errno.h>

#include "bus/failover/failover_state.h"

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* Is its first answer still to come? */
static bool is_open(const struct copy *copy)
{
	return (copy->stage == COPY_WAITING || copy->stage == COPY_SENT) && !copy->confirmed;
}

/* A copy for absent users was made, or is being made, by the other side. */
static bool other_cares_for_absent(const struct failover *f, const struct kept *kept, enum side side)
{
	const struct copy *other = &kept->on[other_side(side)];

	return (other->confirmed || (is_open(other) && other->reach == BUS_TO_ANYBODY)) &&
	       routing_publishes(f, other_side(side));
}

static enum bus_reach reach_for(const struct failover *f, const struct kept *kept, enum side side)
{
	return other_cares_for_absent(f, kept, side) ? BUS_TO_PRESENT : BUS_TO_ANYBODY;
}

static bool waits_for_fallback(const struct failover *f, const struct kept *kept)
{
	return kept->original->key.kind == KEY_USER && is_open(&kept->on[SIDE_FALLBACK]) &&
	       routing_publishes(f, SIDE_FALLBACK);
}

static int send_copy(struct failover *f, struct kept *kept, enum side side)
{
	enum bus_reach reach = kept->on[side].reach == BUS_TO_ANYBODY ? reach_for(f, kept, side) : BUS_TO_PRESENT;
	struct bus_publication *copy = kept_copy(kept, reach);
	if (!copy)
		return -ENOMEM;
	int rc = bus_publish(f->below[side].bus, copy);
	if (rc == 0)
		window_sent(&f->window, kept, side, reach, f->now_ms);
	else
		bus_publication_free(copy);
	return rc;
}

/* Receivers may have forgotten it by now, and would take it for new. */
static bool is_stale(const struct failover *f, const struct kept *kept)
{
	return !kept->asked && kept->at_ms + (uint64_t)(f->config->seen_window - f->config->replay_window) < f->now_ms;
}

static void pump_side(struct failover *f, enum side side)
{
	if (f->below[side].state != BUS_UP)
		return;
	for (struct kept *kept; (kept = f->window.waiting[side]);) {
		if (is_stale(f, kept)) {
			window_unqueue(&f->window, kept, side);
			continue;
		}
		if (side == SIDE_PRIMARY && waits_for_fallback(f, kept))
			return;
		int rc = send_copy(f, kept, side);
		if (rc == BUS_E_UNAVAILABLE && side == SIDE_PRIMARY)
			routing_doubt(f);
		if (rc != 0)
			return; /* more after the next outcome, or when it is up again */
	}
}

void outgoing_pump(struct failover *f)
{
	for (int side = 0; side < SIDES; side++)
		pump_side(f, (enum side)side);
}

static void queue_first_copies(struct failover *f, struct kept *kept)
{
	bool both = f->route == ROUTE_BOTH;

	if (route_has_fallback(f->route))
		window_queue(&f->window, kept, SIDE_FALLBACK, both ? BUS_TO_PRESENT : BUS_TO_ANYBODY);
	if (route_has_primary(f->route))
		window_queue(&f->window, kept, SIDE_PRIMARY, BUS_TO_ANYBODY);
}

int outgoing_publish(struct failover *f, struct bus_publication *publication)
{
	if (!route_has_primary(f->route) && !route_has_fallback(f->route))
		return BUS_E_UNAVAILABLE;
	if (f->window.unanswered >= (size_t)f->config->publish_window)
		return BUS_E_BUSY;
	uint64_t stream = bus_stream(publication->message.origin, &publication->key, &f->secret);
	uint64_t *number = recent_touch(f->numbers, stream, f->now_ms);
	struct kept *kept = window_add(&f->window, publication, *number + 1, stream, f->now_ms);
	if (!kept)
		return -ENOMEM;
	++*number;
	queue_first_copies(f, kept);
	outgoing_pump(f);
	return 0;
}

/* --- once more ---------------------------------------------------------------------------------------------------- */

static bool is_stored(const struct copy *copy)
{
	return copy->stage == COPY_UNROUTED && copy->reach == BUS_TO_ANYBODY;
}

static bool wants_replay(const struct failover *f, const struct kept *kept, enum side side, uint64_t since_ms,
                         uint64_t deaf_since_ms)
{
	if (is_stale(f, kept) || is_stored(&kept->on[SIDE_PRIMARY]) || is_stored(&kept->on[SIDE_FALLBACK]))
		return false;
	switch ((enum copy_stage)kept->on[side].stage) {
	case COPY_NONE:
	case COPY_FAILED:
		return kept->at_ms >= since_ms;
	case COPY_CONFIRMED:
		return deaf_since_ms && kept->at_ms >= deaf_since_ms;
	case COPY_UNROUTED: /* nobody was there then; if the other side has lost it, it is for those who come */
		return kept->at_ms >= since_ms && !other_cares_for_absent(f, kept, side);
	case COPY_WAITING:
	case COPY_SENT:
		break;
	}
	return false;
}

/* Whom it has reached already need not be kept a copy. */
static enum bus_reach reach_again(const struct copy *copy)
{
	return copy->confirmed ? BUS_TO_PRESENT : BUS_TO_ANYBODY;
}

void outgoing_replay(struct failover *f, enum side side, uint64_t since_ms, uint64_t deaf_since_ms)
{
	uint64_t n = 0;

	for (struct kept *kept = f->window.all; kept; kept = kept->next) {
		struct copy *copy = &kept->on[side];
		if (copy->stage == COPY_SENT)
			copy->again |= deaf_since_ms && kept->at_ms >= deaf_since_ms;
		if (!wants_replay(f, kept, side, since_ms, deaf_since_ms))
			continue;
		window_queue(&f->window, kept, side, reach_again(copy));
		n++;
	}
	window_sort(&f->window, side);
	counter_add(&f->counters.again[side], n);
	outgoing_pump(f);
}

/* --- outcomes ----------------------------------------------------------------------------------------------------- */

/* It was for those who are present only, since the other side cared for the absent; and that side was lost when core
 * had its answer. */
static bool is_nobodys(const struct failover *f, const struct kept *kept, enum side side)
{
	const struct copy *copy = &kept->on[side];
	return !kept->asked && copy->stage == COPY_UNROUTED && copy->reach == BUS_TO_PRESENT &&
	       kept->on[other_side(side)].confirmed && !other_cares_for_absent(f, kept, side) && routing_publishes(f, side);
}

void outgoing_on_published(struct failover *f, enum side side, struct bus_publication *copy,
                           enum bus_publish_result result)
{
	struct kept *kept = copy->token;
	bool again = kept->on[side].again && result != BUS_FAILED, in_window = kept->in_window;

	bus_publication_free(copy);
	f->dirty_lanes |= UINT64_C(1) << kept->lane;
	window_outcome(&f->window, kept, side, result);
	if (!in_window || !(again ? wants_replay(f, kept, side, 0, 1) : is_nobodys(f, kept, side)))
		return;
	window_queue_in_order(&f->window, kept, side, reach_again(&kept->on[side]));
	counter_add(&f->counters.again[side], 1);
}

/* Nobody has taken it: is there a bus that could still be asked? */
static bool ask_another(struct failover *f, struct kept *kept)
{
	for (int side = SIDES - 1; side >= 0; side--) {
		const struct copy *copy = &kept->on[side];
		if (!routing_publishes(f, (enum side)side) || copy->stage == COPY_FAILED)
			continue;
		window_queue_in_order(&f->window, kept, (enum side)side, BUS_TO_ANYBODY);
		return true;
	}
	return false;
}

/* False: not yet. */
static bool outcome_of(struct failover *f, struct kept *kept, enum bus_publish_result *resultp)
{
	for (int side = 0; side < SIDES; side++)
		if (is_open(&kept->on[side]) && routing_publishes(f, (enum side)side))
			return false;
	if (kept->on[SIDE_PRIMARY].confirmed || kept->on[SIDE_FALLBACK].confirmed)
		*resultp = BUS_CONFIRMED;
	else if (is_stored(&kept->on[SIDE_PRIMARY]) || is_stored(&kept->on[SIDE_FALLBACK]))
		*resultp = BUS_UNROUTED;
	else if (ask_another(f, kept))
		return false;
	else
		*resultp = BUS_FAILED;
	return true;
}

static void answer_lane(struct failover *f, unsigned lane)
{
	enum bus_publish_result result;

	for (struct kept *kept; (kept = f->window.lanes[lane]) && outcome_of(f, kept, &result);)
		bus_up_published(f->bus, window_answer(&f->window, kept, result == BUS_FAILED), result);
}

void outgoing_answer(struct failover *f)
{
	uint64_t dirty = f->dirty_lanes;

	f->dirty_lanes = 0;
	for (unsigned lane = 0; dirty; lane++, dirty >>= 1)
		if (dirty & 1)
			answer_lane(f, lane);
	outgoing_pump(f);
}
