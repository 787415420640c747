#include "bus/rabbitmq/topology.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ulid.h"

static int put(char **outp, const char *a, const char *b, const char *c)
{
	if (asprintf(outp, "%s%s%s", a, b, c) < 0) {
		*outp = NULL;
		return -ENOMEM;
	}
	return 0;
}

int topology_init(struct topology *t, const char *prefix, const char *node_id)
{
	static const char *const names[EXCHANGE_COUNT] = {
	    [EXCHANGE_USERS] = ".users",       [EXCHANGE_ROOMS] = ".rooms",     [EXCHANGE_NODES] = ".nodes",
	    [EXCHANGE_UNROUTED] = ".unrouted", [EXCHANGE_EXPIRED] = ".expired",
	};
	int rc = 0;

	*t = (struct topology){0};
	for (size_t i = 0; i < EXCHANGE_COUNT && rc == 0; i++)
		rc = put(&t->exchanges[i], prefix, names[i], "");
	if (rc == 0)
		rc = put(&t->offline_queue, prefix, ".offline", "");
	if (rc == 0)
		rc = put(&t->node_queue, prefix, ".node.", node_id);
	if (rc == 0)
		rc = put(&t->node_key, "node.", node_id, "");
	return rc;
}

void topology_deinit(struct topology *t)
{
	for (size_t i = 0; i < EXCHANGE_COUNT; i++)
		free(t->exchanges[i]);
	free(t->offline_queue);
	free(t->node_queue);
	free(t->node_key);
	*t = (struct topology){0};
}

enum exchange topology_exchange(const struct topology *t, struct str name)
{
	for (size_t i = 0; i < EXCHANGE_COUNT; i++)
		if (str_eq(str_from(t->exchanges[i]), name))
			return (enum exchange)i;
	return EXCHANGE_COUNT;
}

static bool is_epoch(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!memchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", s.p[i], 32))
			return false;
	return s.n == ULID_LEN;
}

/* `name` is `base`, a dot, and an epoch. */
static bool has_epoch(struct str name, const char *base)
{
	size_t n = strlen(base);

	return name.n > n + 1 && str_starts(name, str_from(base)) && name.p[n] == '.' &&
	       is_epoch((struct str){name.p + n + 1, name.n - n - 1});
}

bool topology_is_node_queue(const struct topology *t, struct str name)
{
	return str_eq(name, str_from(t->node_queue)) || has_epoch(name, t->node_queue);
}

bool topology_is_epoch_key(const struct topology *t, struct str routing_key)
{
	return has_epoch(routing_key, t->node_key);
}

static void user_key(const struct key *key, const char *third, char *out)
{
	memcpy(out, key->text, key->len);
	strcpy(out + key->len, key->kind == KEY_USER ? third : "");
}

void topology_binding_key(const struct key *key, char out[ROUTING_KEY_MAX + 1])
{
	user_key(key, ".#", out);
}

void topology_publish_key(const struct key *key, char out[ROUTING_KEY_MAX + 1])
{
	user_key(key, ".n", out);
}

enum exchange topology_key_exchange(const struct key *key)
{
	return key->kind == KEY_USER ? EXCHANGE_USERS : EXCHANGE_ROOMS;
}
