#include "bus/redis/names.h"

#include <errno.h>
#include <stdio.h>

int redis_names_init(struct redis_names *names, const char *prefix, const char *node_id, const char *epoch)
{
	const size_t tail = sizeof(".offline.turn"); /* the longest of the tails */

	if (strlen(prefix) + tail > CHANNEL_HEAD_MAX)
		return -EINVAL;
	snprintf(names->users, sizeof(names->users), "%s.users:", prefix);
	snprintf(names->rooms, sizeof(names->rooms), "%s.rooms:", prefix);
	snprintf(names->offline, sizeof(names->offline), "%s.offline", prefix);
	snprintf(names->turn, sizeof(names->turn), "%s.offline.turn", prefix);
	snprintf(names->nodes, sizeof(names->nodes), "%s.nodes:all", prefix);
	snprintf(names->check, sizeof(names->check), "%s.nodes:node.%s.%s", prefix, node_id, epoch);
	return 0;
}

struct str redis_channel(const struct redis_names *names, const struct key *key, char out[CHANNEL_MAX + 1])
{
	const char *head = key->kind == KEY_USER ? names->users : names->rooms;
	int n = snprintf(out, CHANNEL_MAX + 1, "%s%s", head, key->text);

	return (struct str){out, (size_t)n};
}

int redis_channel_key(const struct redis_names *names, struct str channel, struct key *out)
{
	const struct {
		struct str head;
		enum key_kind kind;
	} heads[] = {{str_from(names->users), KEY_USER}, {str_from(names->rooms), KEY_ROOM}};

	for (size_t i = 0; i < GRID_ARRAY_LEN(heads); i++) {
		if (!str_starts(channel, heads[i].head))
			continue;
		struct str key = {channel.p + heads[i].head.n, channel.n - heads[i].head.n};
		/* A third word has no meaning here: it would be a channel nobody subscribes to. */
		if (key_from_routing_key(key, out) == 0 && (enum key_kind)out->kind == heads[i].kind && out->len == key.n)
			return 0;
	}
	return REDIS_NAMES_E_BAD;
}
