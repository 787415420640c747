/* The names on the broker that belong to this grid and this node: made once, read by all threads. */
#ifndef GRID_BUS_RABBITMQ_TOPOLOGY_H
#define GRID_BUS_RABBITMQ_TOPOLOGY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "wire/names.h"

/* What every user's messages are caught with while a queue is deleted. */
#define ANY_USER "user.#"

/* "user.<user>.n" */
#define ROUTING_KEY_MAX (KEY_MAX + 2)

enum exchange { EXCHANGE_USERS, EXCHANGE_ROOMS, EXCHANGE_NODES, EXCHANGE_UNROUTED, EXCHANGE_EXPIRED, EXCHANGE_COUNT };

struct topology {
	char *exchanges[EXCHANGE_COUNT];
	char *offline_queue;
	char *node_queue;
	char *node_key; /* "node.<id>": everything for this node */
};

/* -ENOMEM; deinit is due in any case. */
GRID_MUST_CHECK int topology_init(struct topology *t, const char *prefix, const char *node_id);
void topology_deinit(struct topology *t);

/* Which exchange has this name; EXCHANGE_COUNT: none of ours. */
enum exchange topology_exchange(const struct topology *t, struct str name);

/* A queue this node may serve: its own, or that and ".<epoch>", which it falls back to. */
bool topology_is_node_queue(const struct topology *t, struct str name);
/* "node.<id>.<epoch>", of whichever epoch: what only this node itself publishes to. */
bool topology_is_epoch_key(const struct topology *t, struct str routing_key);

/* What a node binds for a key ("user.7.#"), and what it publishes under ("user.7.n": a third word, so that the two-word
 * binding of the offline queue does not catch it and the broker returns it when nobody is there). */
void topology_binding_key(const struct key *key, char out[ROUTING_KEY_MAX + 1]);
void topology_publish_key(const struct key *key, char out[ROUTING_KEY_MAX + 1]);
enum exchange topology_key_exchange(const struct key *key);

#endif
