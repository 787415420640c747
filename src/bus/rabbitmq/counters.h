/* What the RabbitMQ driver counts. Each counter has one writing thread: the loop, the consumer or the publisher. */
#ifndef GRID_BUS_RABBITMQ_COUNTERS_H
#define GRID_BUS_RABBITMQ_COUNTERS_H

#include "base/metrics.h"
#include "bus/rabbitmq/reap.h"

struct rabbitmq_counters {
	/* whoever has the link */
	struct link_counters {
		struct counter connected;
		struct counter connects;
		struct counter failures;
		struct counter losses;
	} consumer, publisher;
	/* consumer */
	struct counter deliveries;
	struct counter redelivered;
	struct counter acks;
	struct counter binds;
	struct counter unbinds;
	struct counter binds_refused;
	struct counter queue_resets;
	struct counter queue_fallbacks;
	struct counter dropped_key;      /* no usable key */
	struct counter dropped_exchange; /* from an exchange that nothing should come from */
	struct counter dropped_control;  /* a control message nobody knows */
	struct counter dropped_memory;
	struct counter dropped_size;
	struct counter ignored_keys;    /* of a CC header */
	struct counter ignored_headers; /* from, session ... of somebody who is no node */
	struct counter ignored_types;
	struct counter hellos_heard;
	struct counter peers;
	struct counter peers_unwatched;
	struct counter reaping;
	struct counter reaps[REAP_ENDS];
	struct counter reap_messages;
	struct counter reap_unbinds;
	/* publisher */
	struct counter published;
	struct counter confirmed;
	struct counter returned;
	struct counter refused;
	struct counter handed_over;
	struct counter blocked;
	/* loop */
	struct counter strays;
	struct counter strays_waiting;
	struct counter strays_unplaced;
	struct counter strays_rejected;
	struct counter known_settled;
	struct counter known_held;
	struct counter stale;
	struct counter checks;
	struct counter checks_returned;
	struct counter checks_timed_out;
	struct counter hellos_sent;
};

void rabbitmq_counters_add(struct metric_registry *registry, struct metric_set *set,
                           const struct rabbitmq_counters *counters);

#endif
