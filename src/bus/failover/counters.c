#include "bus/failover/counters.h"

#include "bus/failover/failover_state.h"

static const struct metric_row rows[] = {
    METRIC_GAUGE_ROW(struct failover_counters, route[ROUTE_PRIMARY], "grid_failover_route", "route=\"primary\"",
                     "1 for the way messages go now"),
    METRIC_GAUGE_ROW(struct failover_counters, route[ROUTE_BOTH], "grid_failover_route", "route=\"both\"",
                     "1 for the way messages go now"),
    METRIC_GAUGE_ROW(struct failover_counters, route[ROUTE_FALLBACK], "grid_failover_route", "route=\"fallback\"",
                     "1 for the way messages go now"),
    METRIC_GAUGE_ROW(struct failover_counters, route[ROUTE_BLOCKED], "grid_failover_route", "route=\"blocked\"",
                     "1 for the way messages go now"),
    METRIC_GAUGE_ROW(struct failover_counters, route[ROUTE_DOWN], "grid_failover_route", "route=\"down\"",
                     "1 for the way messages go now"),
    METRIC_COUNTER_ROW(struct failover_counters, changes, "grid_failover_changes_total", NULL,
                       "Times the way messages go has changed"),
    METRIC_COUNTER_ROW(struct failover_counters, again[SIDE_PRIMARY], "grid_failover_replayed_total", "bus=\"primary\"",
                       "Messages published again, because the other bus may not have brought them"),
    METRIC_COUNTER_ROW(struct failover_counters, again[SIDE_FALLBACK], "grid_failover_replayed_total",
                       "bus=\"fallback\"", "Messages published again, because the other bus may not have brought them"),
    METRIC_COUNTER_ROW(struct failover_counters, duplicates, "grid_failover_duplicates_total", NULL,
                       "Deliveries dropped because the message had come before"),
    METRIC_GAUGE_ROW(struct failover_counters, held, "grid_failover_held", NULL,
                     "Deliveries held back until what comes before them is here"),
    METRIC_GAUGE_ROW(struct failover_counters, held_bytes, "grid_failover_held_bytes", NULL,
                     "Their size; frames for users count twice, since their messages are kept as they came, too"),
    METRIC_COUNTER_ROW(struct failover_counters, held_crowded_out, "grid_failover_held_evicted_total", NULL,
                       "Of grid_failover_gaps_total, those given up before their time, for want of room"),
    METRIC_COUNTER_ROW(
        struct failover_counters, given_up, "grid_failover_gaps_total", NULL,
        "Gaps not filled in time: all that was held back behind one went on, and what is missing is lost or late"),
    METRIC_GAUGE_ROW(struct failover_counters, seen, "grid_failover_seen", NULL,
                     "Messages remembered, to recognise them when they come again"),
    METRIC_COUNTER_ROW(struct failover_counters, seen_crowded_out, "grid_failover_seen_evicted_total", NULL,
                       "Messages forgotten before bus.seen_window, for want of room"),
    METRIC_GAUGE_ROW(struct failover_counters, kept, "grid_failover_kept", NULL,
                     "Messages kept, to be published again if need be"),
    METRIC_GAUGE_ROW(struct failover_counters, kept_bytes, "grid_failover_kept_bytes", NULL, "Their size"),
    METRIC_COUNTER_ROW(struct failover_counters, kept_crowded_out, "grid_failover_kept_evicted_total", NULL,
                       "Messages no longer kept before bus.replay_window, for want of room"),
    METRIC_GAUGE_ROW(struct failover_counters, owed[SIDE_PRIMARY], "grid_failover_owed", "bus=\"primary\"",
                     "Keys that are bound, but not on this bus yet"),
    METRIC_GAUGE_ROW(struct failover_counters, owed[SIDE_FALLBACK], "grid_failover_owed", "bus=\"fallback\"",
                     "Keys that are bound, but not on this bus yet"),
    METRIC_GAUGE_ROW(struct failover_counters, refused, "grid_failover_refused", NULL,
                     "Keys that one of the two buses refuses to bind"),
    METRIC_COUNTER_ROW(struct failover_counters, moved, "grid_failover_moved_total", NULL,
                       "Messages for absent users moved from the fallback to the primary"),
    METRIC_GAUGE_ROW(struct failover_counters, peers_cut, "grid_failover_peers_cut", NULL,
                     "1 while another node says that it is cut off from the primary bus"),
    METRIC_COUNTER_ROW(struct failover_counters, notices_sent, "grid_failover_notices_sent_total", NULL,
                       "Notices of this node to the others"),
    METRIC_COUNTER_ROW(struct failover_counters, notices_heard, "grid_failover_notices_heard_total", NULL,
                       "Notices of other nodes"),
    METRIC_COUNTER_ROW(struct failover_counters, notices_bad, "grid_failover_notices_bad_total", NULL,
                       "Notices that were none"),
};

void failover_counters_add(struct metric_registry *registry, struct metric_set *set,
                           const struct failover_counters *counters)
{
	metrics_add(registry, set, rows, GRID_ARRAY_LEN(rows), counters);
}

void failover_counters_take(struct failover *f)
{
	struct failover_counters *c = &f->counters;

	counter_set(&c->held, holdback_count(f->holdback));
	counter_set(&c->held_bytes, holdback_bytes(f->holdback));
	counter_set(&c->held_crowded_out, holdback_crowded_out(f->holdback));
	counter_set(&c->given_up, holdback_given_up(f->holdback));
	counter_set(&c->seen, recent_count(f->seen));
	counter_set(&c->seen_crowded_out, recent_crowded_out(f->seen));
	counter_set(&c->kept, f->window.n);
	counter_set(&c->kept_bytes, f->window.bytes);
	counter_set(&c->kept_crowded_out, f->window.crowded_out);
	for (int side = 0; side < SIDES; side++)
		counter_set(&c->owed[side], bindings_owed(&f->bindings, (enum side)side));
	counter_set(&c->refused, f->bindings.refused);
	counter_set(&c->moved, f->mover.total);
	counter_set(&c->peers_cut, notices_peer_cut(&f->notices, f->now_ms));
}
