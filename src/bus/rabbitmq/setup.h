/* What the two link threads share with the loop for reading: settled before they start, unchanged until they have
 * ended. */
#ifndef GRID_BUS_RABBITMQ_SETUP_H
#define GRID_BUS_RABBITMQ_SETUP_H

#include "base/siphash.h"
#include "bus/config.h"
#include "bus/rabbitmq/counters.h"
#include "bus/rabbitmq/topology.h"

#define OPS_MAX 256 /* binds and unbinds of core under way at once */
/* Once so many are, no more go out until so many are free: together, then. The broker takes them one by one, so nobody
 * is bound later for that, and broker and node are woken less often. Of a bare binder's rate a crowd of 2,500 users had
 * 0.89 instead of 0.84 (8 rounds) and 0.92 instead of 0.89 (7); with 10,000 users four rounds showed no difference. */
#define OPS_REFILL 128
#define STRAYS_MAX 256 /* deliveries being handed over at once */

struct setup {
	const struct bus_config *config;
	struct topology topology;
	char *node_id;
	char *epoch;     /* this life of the node */
	char *state_dir; /* empty: none */
	struct siphash_key fingerprint_key;
	const struct siphash_key *identity_key; /* NULL: deliveries are not identified */
	struct rabbitmq_counters *counters;     /* each counter has its one writer */
};

#endif
