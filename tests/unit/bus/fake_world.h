/* What all of the fake grid shares: a clock that the test turns, chance (of a seed, so that what was found is found
 * again), the keys, and a record of each message. */
#ifndef GRID_TESTS_BUS_FAKE_WORLD_H
#define GRID_TESTS_BUS_FAKE_WORLD_H

#include "bus/bus.h"
#include "bus/failover/sides.h"
#include "check_main.h"

#define NODES 3
#define KEYS 4 /* three rooms and a user */
#define USER_KEY 3
#define STEP_MS 10
#define MESSAGES_MAX 20000

/* As ck_assert_msg(), but nothing is written as long as it holds: Check tells its parent of every one of its own. */
#define MUST(cond, ...)                                                                                                \
	do {                                                                                                               \
		if (!(cond))                                                                                                   \
			ck_abort_msg(__VA_ARGS__);                                                                                 \
	} while (0)

struct message_record {
	int from, key;
	uint64_t accepted_ms;
	int result; /* -1: not answered */
	int got[NODES];
	int offline; /* copies for absent users */
};

extern uint64_t grid_seed;
extern uint64_t grid_now;
extern uint64_t latency_ms; /* at most, each way */
extern struct key keys[KEYS];
extern struct message_record messages[MESSAGES_MAX];
extern size_t n_messages;

/* All anew. */
void world_init(uint64_t seed);
uint64_t chance(uint64_t below);
int key_index(const struct key *key);
int record_of(const struct message *m);

#endif
