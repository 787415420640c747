/* What the failover driver counts. */
#ifndef GRID_BUS_FAILOVER_COUNTERS_H
#define GRID_BUS_FAILOVER_COUNTERS_H

#include "base/metrics.h"
#include "bus/failover/decide.h"

struct failover;

struct failover_counters {
	struct counter route[ROUTE_COUNT];
	struct counter changes;
	struct counter again[2]; /* by enum side: published again there */
	struct counter duplicates;
	struct counter held;
	struct counter held_bytes;
	struct counter held_crowded_out;
	struct counter given_up;
	struct counter seen;
	struct counter seen_crowded_out;
	struct counter kept;
	struct counter kept_bytes;
	struct counter kept_crowded_out;
	struct counter owed[2];
	struct counter refused;
	struct counter moved;
	struct counter peers_cut;
	struct counter notices_sent;
	struct counter notices_heard;
	struct counter notices_bad;
};

void failover_counters_add(struct metric_registry *registry, struct metric_set *set,
                           const struct failover_counters *counters);
/* Those that others keep as they go. */
void failover_counters_take(struct failover *f);

#endif
