/* Which way messages go: what is known of both buses and of the peers, the tables of decide.h applied to it, and what
 * follows when the way changes. */
#include "bus/failover/failover_state.h"

#define LOSS_MS 1000 /* a bus may have been lost for so long before it says so */
#define CALM_MS 1000 /* back for so long before messages go over the primary again; longer each time it falls soon */
#define CALM_MAX_MS 30000
#define STEADY_MS 60000 /* good for so long: a fall after that is the first one */
#define SERVE_MS 2000   /* after both were down: how long one that is up may take to bind what was bound */
#define ASK_MS 2000 /* the fallback is back: how long it may take until we have its keys and can ask what we missed */
#define BACKLOG_MAX 256 /* keys owed by the primary that core's own binds wait behind */

/* --- the two buses ------------------------------------------------------------------------------------------------ */

static uint64_t before(uint64_t now_ms, uint64_t ms)
{
	return now_ms > ms ? now_ms - ms : 1;
}

/* What may not have come, or been heard, by the time that a loss was noticed. */
static uint64_t unsure_since(const struct failover *f)
{
	return before(f->now_ms, (uint64_t)f->config->confirm_timeout + LOSS_MS);
}

static void left_good(struct failover *f)
{
	if (f->calm_ms == 0 || f->now_ms - f->good_ms >= STEADY_MS)
		f->calm_ms = CALM_MS;
	else
		f->calm_ms = f->calm_ms * 2 < CALM_MAX_MS ? f->calm_ms * 2 : CALM_MAX_MS;
	notices_cut(&f->notices, unsure_since(f), f->now_ms);
}

/* The one place where the primary's state changes. */
static void primary_event(struct failover *f, enum primary_event event)
{
	enum primary from = f->primary, to = primary_next(from, event);

	if (from == to)
		return;
	log_debug("bus.primary", "from=%s to=%s", primary_names[from], primary_names[to]);
	f->primary = to;
	f->dirty_lanes = UINT64_MAX;
	if (from == PRIMARY_GOOD)
		left_good(f);
	if (to == PRIMARY_BACK)
		f->back_ms = f->now_ms;
	if (to == PRIMARY_GOOD) {
		f->good_ms = f->now_ms;
		notices_whole(&f->notices, f->now_ms);
	}
}

/* May a gap in what comes yet be filled? Said before anything comes after what has brought this about. */
static void watch_order(struct failover *f)
{
	const struct below *fallback = &f->below[SIDE_FALLBACK];
	bool asks = f->deaf_ms || (notices_asks(&f->notices, f->now_ms) && notices_unsaid(&f->notices));

	if (fallback->state == BUS_UP && asks && f->now_ms - fallback->up_ms < ASK_MS)
		holdback_asked(f->holdback, SIDE_FALLBACK, f->now_ms);
	if (f->route != ROUTE_PRIMARY || notices_peer_cut(&f->notices, f->now_ms))
		holdback_two_ways(f->holdback, f->now_ms);
}

void routing_on_state(struct failover *f, enum side side, enum bus_state state, enum bus_bindings bindings)
{
	static const enum primary_event events[] = {
	    [BUS_DOWN] = PRIMARY_LOST, [BUS_UP] = PRIMARY_UP, [BUS_BLOCKED] = PRIMARY_IS_BLOCKED};
	struct below *below = &f->below[side];
	bool was_down = below->state == BUS_DOWN;

	below->state = state;
	if (state == BUS_DOWN) {
		window_unqueue_all(&f->window, side);
		if (side == SIDE_FALLBACK)
			mover_lost(&f->mover);
	} else if (was_down) {
		below->life++;
		below->lost = bindings == BUS_BINDINGS_LOST;
		below->up_ms = f->now_ms;
		bindings_up(&f->bindings, side, bindings);
	}
	if (side == SIDE_PRIMARY) {
		f->patience_ms = 0;
		primary_event(f, events[state]);
	} else if (state == BUS_DOWN && !f->deaf_ms) {
		f->deaf_ms = unsure_since(f);
	}
	watch_order(f);
}

/* Without a fallback there is nothing to be decided by it. */
void routing_doubt(struct failover *f)
{
	if (f->doubt || !f->fallback_up || (f->primary != PRIMARY_GOOD && f->primary != PRIMARY_BACK))
		return;
	f->doubt = true;
	f->wake(f->wake_arg);
}

bool routing_publishes(const struct failover *f, enum side side)
{
	if (side == SIDE_FALLBACK)
		return f->fallback_up;
	if (f->fallback_up)
		return f->primary == PRIMARY_GOOD || f->primary == PRIMARY_BACK;
	return f->primary != PRIMARY_AWAY;
}

/* A primary that is back binds what it owes first. Joins do not wait for all that; but for the last of it they do, so
 * that there is an end to it. */
bool routing_binds(const struct failover *f, enum side side)
{
	if (f->below[side].state == BUS_DOWN)
		return false;
	if (side == SIDE_FALLBACK || !f->fallback_up)
		return true;
	return f->primary != PRIMARY_DOUBTED && bindings_owed(&f->bindings, SIDE_PRIMARY) <= BACKLOG_MAX;
}

static bool is_over(const struct failover *f, uint64_t since_ms)
{
	return since_ms != UINT64_MAX && f->now_ms >= since_ms + (uint64_t)f->config->confirm_timeout;
}

/* Keys are bound one after the other, a storm of them in many seconds: the last one may wait, as long as answers come.
 */
static bool is_overdue(const struct failover *f)
{
	uint64_t asked_ms = bindings_oldest_ms(&f->bindings, SIDE_PRIMARY);
	uint64_t answered_ms = f->below[SIDE_PRIMARY].bound_ms;

	return is_over(f, window_oldest_ms(&f->window, SIDE_PRIMARY)) ||
	       is_over(f, asked_ms > answered_ms ? asked_ms : answered_ms);
}

static void watch_primary(struct failover *f)
{
	bool overdue = is_overdue(f);

	if (overdue || (f->doubt && f->below[SIDE_PRIMARY].state == BUS_UP))
		primary_event(f, PRIMARY_DOUBT);
	f->doubt = false;
	if (!overdue && (!f->fallback_up || window_oldest_ms(&f->window, SIDE_PRIMARY) == UINT64_MAX))
		primary_event(f, PRIMARY_CLEARED);
	/* One that messages go over already, for want of a fallback, has nothing to wait for. */
	bool calm = f->route == ROUTE_PRIMARY || f->now_ms - f->back_ms >= f->calm_ms;
	if (f->primary == PRIMARY_BACK && calm && bindings_owed(&f->bindings, SIDE_PRIMARY) == 0)
		primary_event(f, PRIMARY_SETTLED);
}

/* What went over it last may not have left it, when it is lost; and nothing goes over it to peers that are cut off. */
static void fallback_changed(struct failover *f)
{
	if (f->fallback_up)
		notices_hear_anew(&f->notices);
	else if (route_has_primary(f->route))
		outgoing_replay(f, SIDE_PRIMARY, unsure_since(f), 0);
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

static void add_demand(struct notice_demand *all, const struct notice_demand *one)
{
	if (!one->again)
		return;
	all->missed_since_ms = all->again ? earlier(all->missed_since_ms, one->missed_since_ms) : one->missed_since_ms;
	if (one->deaf_since_ms)
		all->deaf_since_ms = all->deaf_since_ms ? earlier(all->deaf_since_ms, one->deaf_since_ms) : one->deaf_since_ms;
	all->again = true;
}

/* What we have published ourselves we may have missed like all the rest, and nobody else has it. However late it is:
 * of the keys bound last nothing has come yet. */
static void ask_for_missed(struct failover *f)
{
	const struct notice_demand own = {.again = true, .missed_since_ms = f->now_ms, .deaf_since_ms = f->deaf_ms};

	holdback_asked(f->holdback, SIDE_FALLBACK, f->now_ms);
	notices_deaf(&f->notices, f->deaf_ms, f->now_ms);
	add_demand(&f->demand, &own);
	f->deaf_ms = 0;
}

static void watch_fallback(struct failover *f)
{
	bool up = f->below[SIDE_FALLBACK].state == BUS_UP && f->now_ms >= f->patience_ms;

	if (up != f->fallback_up) {
		f->dirty_lanes = UINT64_MAX;
		f->fallback_up = up;
		fallback_changed(f);
	}
	if (up && f->deaf_ms && bindings_owed(&f->bindings, SIDE_FALLBACK) == 0)
		ask_for_missed(f);
}

/* --- notices ------------------------------------------------------------------------------------------------------ */

void routing_on_announced(struct failover *f, struct str body)
{
	struct notice notice;

	if (notice_decode(body, &notice) != 0) {
		counter_add(&f->counters.notices_bad, 1);
		return;
	}
	if (str_eq(str_from(notice.origin), str_from(f->origin)))
		return;
	counter_add(&f->counters.notices_heard, 1);
	struct notice_demand demand = notices_heard(&f->notices, &notice, f->now_ms);
	add_demand(&f->demand, &demand);
	if (demand.again && notices_asks(&f->notices, f->now_ms)) /* it hears of that now */
		holdback_asked(f->holdback, SIDE_FALLBACK, f->now_ms);
	watch_order(f);
}

static void meet_demand(struct failover *f)
{
	struct notice_demand demand = f->demand;

	if (!demand.again || !f->fallback_up)
		return;
	f->demand = (struct notice_demand){.again = false};
	outgoing_replay(f, SIDE_FALLBACK, demand.missed_since_ms, demand.deaf_since_ms);
}

static void send_notice(struct failover *f)
{
	struct buf body GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct notice notice;

	if (!f->fallback_up || !notices_due(&f->notices, f->now_ms, &notice))
		return;
	memcpy(notice.origin, f->origin, sizeof(notice.origin));
	notice_encode(&notice, &body);
	/* Else the last one may be under way still: in the next turn. Peers may hold back messages until they hear it. */
	if (!body.failed && bus_announce(f->below[SIDE_FALLBACK].bus, buf_str(&body)) == 0) {
		notices_said(&f->notices, f->now_ms);
		counter_add(&f->counters.notices_sent, 1);
	}
}

/* --- the route ---------------------------------------------------------------------------------------------------- */

/* Has this side all that core believes to be bound? */
static bool holds_all(const struct failover *f, enum side side)
{
	if (f->below[side].state == BUS_DOWN)
		return false;
	return f->was_up ? bindings_owed(&f->bindings, side) == 0 : !f->below[side].lost;
}

static bool one_holds_all(const struct failover *f)
{
	return holds_all(f, SIDE_PRIMARY) || holds_all(f, SIDE_FALLBACK);
}

/* After both were down core is not told that one is up before that has what was bound; unless it takes too long: then
 * core has to bind it all anew. */
static bool may_serve(struct failover *f)
{
	bool some_up = f->below[SIDE_PRIMARY].state != BUS_DOWN || f->below[SIDE_FALLBACK].state != BUS_DOWN;

	if (!some_up)
		f->some_up_ms = 0;
	else if (!f->some_up_ms)
		f->some_up_ms = f->now_ms;
	return f->route != ROUTE_DOWN || !f->was_up || one_holds_all(f) ||
	       (some_up && f->now_ms - f->some_up_ms >= SERVE_MS);
}

static void tell_core(struct failover *f)
{
	static const enum bus_state states[ROUTE_COUNT] = {[ROUTE_DOWN] = BUS_DOWN,
	                                                   [ROUTE_BLOCKED] = BUS_BLOCKED,
	                                                   [ROUTE_PRIMARY] = BUS_UP,
	                                                   [ROUTE_BOTH] = BUS_UP,
	                                                   [ROUTE_FALLBACK] = BUS_UP};
	enum bus_state state = states[f->route];
	bool lost = f->told == BUS_DOWN && !one_holds_all(f);

	if (state == f->told)
		return;
	f->told = state;
	if (state == BUS_DOWN) { /* nobody waits any more when core hears of it */
		outgoing_answer(f);
		binds_answer(f);
	} else {
		f->was_up = true;
		if (lost)
			bindings_forget(&f->bindings, f->now_ms);
	}
	bus_up_state(f->bus, state, lost ? BUS_BINDINGS_LOST : BUS_BINDINGS_KEPT);
}

static void log_route(const struct failover *f, enum route from)
{
	log_event(f->route == ROUTE_PRIMARY ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "bus.failover",
	          "from=%s to=%s primary=%s fallback=%s peers_cut=%s kept=%zu", route_names[from], route_names[f->route],
	          primary_names[f->primary], f->fallback_up ? "up" : "away",
	          notices_peer_cut(&f->notices, f->now_ms) ? "yes" : "no", f->window.n);
}

/* What went over the bus that is lost goes over the one that is left. */
static void replay_lost(struct failover *f, enum route from)
{
	if (f->route == ROUTE_FALLBACK) {
		window_unqueue_all(&f->window, SIDE_PRIMARY);
		outgoing_replay(f, SIDE_FALLBACK, 0, 0);
	} else if (f->route != ROUTE_DOWN && !f->fallback_up && (from == ROUTE_FALLBACK || from == ROUTE_DOWN)) {
		outgoing_replay(f, SIDE_PRIMARY, 0, 0);
	}
}

/* The one place where the route changes. */
static void set_route(struct failover *f, enum route route)
{
	enum route from = f->route;

	if (from == route)
		return;
	f->route = route;
	f->dirty_lanes = UINT64_MAX;
	counter_set(&f->counters.route[from], 0);
	counter_set(&f->counters.route[route], 1);
	counter_add(&f->counters.changes, 1);
	log_route(f, from);
	replay_lost(f, from);
	tell_core(f);
}

void routing_begin(struct failover *f)
{
	f->began = true;
	f->patience_ms = f->now_ms + (uint64_t)f->config->confirm_timeout;
	notices_cut(&f->notices, f->now_ms, f->now_ms);
}

void routing_advance(struct failover *f)
{
	watch_fallback(f);
	watch_primary(f);
	watch_order(f);
	send_notice(f); /* before anything goes that peers may have to hold back until they have asked for what is before */
	if (may_serve(f))
		set_route(f, route_of(f->primary, f->fallback_up, notices_peer_cut(&f->notices, f->now_ms)));
	meet_demand(f);
	bindings_tick(&f->bindings, f->now_ms);
	binds_pump(f);
	outgoing_pump(f);
	binds_answer(f);
	outgoing_answer(f);
	incoming_tick(f);
	if (f->primary == PRIMARY_GOOD && f->fallback_up)
		mover_tick(&f->mover, f->below[SIDE_FALLBACK].bus, f->now_ms);
	if (f->route != ROUTE_DOWN) /* else it is all that is left of what the dead buses had */
		window_prune(&f->window, f->now_ms);
	failover_counters_take(f);
}
