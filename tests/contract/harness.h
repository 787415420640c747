/* What the contract suite runs on: any number of buses in one process on one small loop, everything they tell recorded,
 * and waiting for conditions with a deadline. */
#ifndef GRID_TESTS_CONTRACT_HARNESS_H
#define GRID_TESTS_CONTRACT_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

#include "bus/bus.h"

#define NODES_MAX 4
#define DEADLINE_MS 15000

struct got_message {
	char keys[BUS_TARGETS_MAX][KEY_MAX + 1];
	size_t n_keys;
	char *frame; /* the JSON of the first target */
	bool no_echo;
	bool redelivered;
	bool expires;
	char session[ULID_LEN + 1];
};

struct got_bound {
	struct key key;
	enum bus_bind_result result;
};

struct got_published {
	uintptr_t token;
	enum bus_publish_result result;
};

struct got_state {
	enum bus_state state;
	enum bus_bindings bindings;
};

#define LIST(type)                                                                                                     \
	struct {                                                                                                           \
		type *p;                                                                                                       \
		size_t n;                                                                                                      \
	}

struct node {
	struct bus *bus;
	struct bus_config config;
	struct metric_registry metrics;
	char id[64];
	struct ulid epoch;
	bool hold;               /* deliveries are kept in `held` instead of being accepted */
	enum bus_settle_how how; /* else settled so */
	LIST(struct got_message) messages;
	LIST(struct got_bound) bound;
	LIST(struct got_published) published;
	LIST(struct got_state) states;
	LIST(struct key) restored;
	LIST(struct bus_delivery *) held;
	char fatal[512];
};

/* Set once by main(): which driver, and where the broker is. */
struct target {
	int driver;
	bool many_nodes;      /* several nodes can meet */
	bool fallback;        /* Redis is behind it */
	const char *settings; /* as for node_open(): how a node gets there */
	const char *address;  /* of the broker */
	const char *vhost, *user;
	const char *state_dir; /* of all nodes opened from now on; NULL: none */
};
extern struct target target;

/* A node with an id of its own (per process and `name`); `set` ("bus.publish_window=4;...") may be NULL. */
struct node *node_open(const char *name, const char *set);
/* The same, and waits until it is up. */
struct node *node_up(const char *name, const char *set);
void node_close(struct node *n);

/* Runs the loop until `cond` or the deadline (then the test fails naming it). */
#define WAIT_FOR(cond) WAIT_FOR_MS(cond, DEADLINE_MS)
#define WAIT_FOR_MS(cond, ms)                                                                                          \
	do {                                                                                                               \
		uint64_t until_ = harness_now() + (ms);                                                                        \
		while (!(cond)) {                                                                                              \
			ck_assert_msg(harness_now() < until_, "not within %d ms: %s", (int)(ms), #cond);                           \
			harness_turn();                                                                                            \
		}                                                                                                              \
	} while (0)
uint64_t harness_now(void);
/* Waits at most 20 ms for something to happen, then lets all buses tell. */
void harness_turn(void);
/* Has a bus asked for a turn since the last one? */
bool harness_turn_wanted(void);
/* Runs the loop for a round trip of this node: what was on its way to it before has come. */
void node_settle_down(struct node *n);

enum bus_state node_state(const struct node *n);
size_t node_states(const struct node *n, enum bus_state state);
uint64_t node_metric(const struct node *n, const char *line_start);

struct key user_key(const char *name);
struct key room_key(const char *name);
/* Waits until it is bound (or unbound). */
void node_bind(struct node *n, struct key key);
void node_unbind(struct node *n, struct key key);
/* Publishes with the body as JSON text; waits while the window is full. */
void node_publish(struct node *n, struct key key, const char *body, uintptr_t token);
void node_publish_message(struct node *n, struct key key, const struct message *m, uintptr_t token);
/* The outcome of this token, once it is there; -1 before. */
int node_result(const struct node *n, uintptr_t token);
enum bus_publish_result node_publish_wait(struct node *n, struct key key, const char *body, uintptr_t token);
/* How many messages with this text in their frame, and this key. */
size_t node_messages(const struct node *n, const struct key *key, const char *text);

#endif
