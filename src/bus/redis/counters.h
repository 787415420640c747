/* What the Redis driver counts, all on the loop thread. */
#ifndef GRID_BUS_REDIS_COUNTERS_H
#define GRID_BUS_REDIS_COUNTERS_H

#include "base/metrics.h"

struct redis_counters {
	struct redis_link_counters {
		struct counter connected;
		struct counter connects;
		struct counter failures;
		struct counter losses;
		struct counter pings;
	} subscriber, publisher;
	struct counter deliveries;
	struct counter dropped_channel; /* no usable key */
	struct counter dropped_envelope;
	struct counter dropped_forged;
	struct counter dropped_size;
	struct counter dropped_memory;
	struct counter dropped_control; /* on the channel of all nodes */
	struct counter published;
	struct counter refused;
	struct counter handed_over;
	struct counter strays;
	struct counter strays_waiting;
	struct counter strays_refused;
	struct counter strays_dropped;
};

void redis_counters_add(struct metric_registry *registry, struct metric_set *set,
                        const struct redis_counters *counters);

#endif
