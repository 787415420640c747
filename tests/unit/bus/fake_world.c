#include "fake_world.h"

#include <stdlib.h>

uint64_t grid_seed;
uint64_t grid_now;
uint64_t latency_ms;
struct key keys[KEYS];
struct message_record messages[MESSAGES_MAX];
size_t n_messages;

void world_init(uint64_t seed)
{
	static const char *const names[KEYS] = {"a", "b", "c", "u"};

	grid_seed = seed;
	grid_now = 1000000;
	latency_ms = 60;
	n_messages = 0;
	for (int i = 0; i < KEYS; i++)
		MUST(key_from_name(i == USER_KEY ? KEY_USER : KEY_ROOM, str_from(names[i]), &keys[i]) == 0, "key %d", i);
}

uint64_t chance(uint64_t below)
{
	grid_seed = grid_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (grid_seed >> 33) % below;
}

int key_index(const struct key *key)
{
	for (int i = 0; i < KEYS; i++)
		if (key_eq(key, &keys[i]))
			return i;
	ck_abort_msg("unknown key %s", key->text);
}

int record_of(const struct message *m)
{
	return atoi(m->body.p);
}
