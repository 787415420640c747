#include "bus/rabbitmq/dead.h"

#include <stdio.h>
#include <string.h>

#include "bus/rabbitmq/journal.h"

/* First of all the key of its epoch, which stands for all others. When the owner comes back it looks whether that is
 * bound, and trusts in none of its bindings if not. And a node that died while it was catching catches no more. */
static void add_own(const struct peer *dead, struct unbinds *out)
{
	char key[sizeof("node.") + PEER_ORIGIN_MAX];

	if (dead->origin[0]) {
		snprintf(key, sizeof(key), "node.%s", dead->origin);
		unbinds_add(out, EXCHANGE_NODES, key);
		*strrchr(key, '.') = '\0';
		unbinds_add(out, EXCHANGE_NODES, key);
	}
	unbinds_add(out, EXCHANGE_NODES, "all");
	unbinds_add(out, EXCHANGE_USERS, ANY_USER);
}

static void add(const struct key *keys, size_t n, struct unbinds *out)
{
	char key[ROUTING_KEY_MAX + 1];

	for (size_t i = 0; i < n; i++) {
		topology_binding_key(&keys[i], key);
		unbinds_add(out, topology_key_exchange(&keys[i]), key);
	}
}

/* The one of the journal, which can be newer than the last hello. */
static void add_epoch(const char *epoch, const struct peer *dead, struct unbinds *out)
{
	char key[sizeof("node.") + PEER_ORIGIN_MAX];
	int id = (int)(strrchr(dead->origin, '.') - dead->origin);

	if (snprintf(key, sizeof(key), "node.%.*s.%s", id, dead->origin, epoch) < (int)sizeof(key))
		unbinds_add(out, EXCHANGE_NODES, key);
}

/* Nodes of one machine share the folder. It need not be up to date: a key that is not bound is unbound as well. */
static void add_journal(const struct setup *setup, const struct peer *dead, struct unbinds *out)
{
	size_t prefix = strlen(setup->topology.node_queue) - strlen(setup->node_id);
	char name[PEER_QUEUE_MAX + PEER_ORIGIN_MAX + 1];
	struct journal_keys keys = {.n_bound = 0};
	struct journal_header header;
	struct journal *journal;

	snprintf(name, sizeof(name), "%.*s%s", (int)prefix, setup->topology.node_queue, dead->origin);
	*strrchr(name, '.') = '\0'; /* without the epoch */
	if (journal_new(setup->state_dir, name, &journal) != 0)
		return;
	if (journal_load(journal, &header, &keys) == 0 && strcmp(header.queue, dead->queue) == 0) {
		add_epoch(header.epoch, dead, out);
		add(keys.bound, keys.n_bound, out);
		add(keys.unsure, keys.n_unsure, out);
	}
	journal_keys_deinit(&keys);
	journal_free(journal);
}

void dead_keys(const struct setup *setup, const struct peer *dead, struct unbinds *out)
{
	unbinds_clear(out);
	add_own(dead, out);
	if (*setup->state_dir && dead->origin[0] && !strchr(dead->origin, '/'))
		add_journal(setup, dead, out);
}
