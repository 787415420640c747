/* The wire between a node and a fake broker, and what is on it: everything takes a while, by chance, and keeps its
 * order in its own line. A real driver has two connections: one line has keys, and what is delivered, the other
 * messages on their way out, and what is answered. */
#ifndef GRID_TESTS_BUS_FAKE_LINK_H
#define GRID_TESTS_BUS_FAKE_LINK_H

#include "fake_world.h"

#define STORED_AT_ONCE 3

enum line { LINE_KEYS, LINE_MESSAGES, LINES };

enum item_kind {
	TO_BROKER_PUBLISH,
	TO_BROKER_BIND,
	TO_BROKER_UNBIND,
	TO_BROKER_ANNOUNCE,
	TO_BROKER_FETCH, /* what is kept for absent users */
	TO_BROKER_MOVED, /* so many of them (`key`) are elsewhere */
	TO_NODE_PUBLISHED,
	TO_NODE_BOUND,
	TO_NODE_DELIVERY,
	TO_NODE_ANNOUNCED,
	TO_NODE_SAID, /* its announcement has been made */
	TO_NODE_STORED,
	TO_NODE_BLOCKED,
	TO_NODE_UNBLOCKED,
};

/* A message in a node's queue on the primary. */
struct queued {
	struct queued *prev, *next;
	struct bus_publication *message;
	bool sent; /* not acknowledged yet */
};

struct item {
	struct item *prev, *next;
	enum item_kind kind;
	uint64_t due_ms;
	uint64_t number; /* of the publish or bind */
	int key;
	int node;
	enum bus_publish_result result;
	enum bus_bind_result bound;
	struct bus_publication *message; /* a copy */
	struct queued *queued;
	struct bus_publication *stored[STORED_AT_ONCE];
	char text[256];
};

struct flying {
	struct flying *prev, *next;
	uint64_t number;
	struct bus_publication *publication; /* or a bind of `key` */
	int key;
};

struct broker;

struct link {
	struct broker *broker;
	int node;
	struct bus *bus;
	const struct siphash_key *identity_key;
	bool up; /* the wire is whole */
	uint64_t life;
	enum bus_state told;
	uint64_t notice_ms; /* when the node notices that it is cut; 0: nothing to notice */
	uint64_t connect_ms;
	uint64_t bind_ms;   /* when it takes the next bind */
	uint64_t frozen_ms; /* since when nothing moves */
	uint64_t slow_ms;   /* until publishes are answered, at least */
	bool refuses[KEYS]; /* to bind them */
	bool held_down;     /* does not connect */
	bool knows_blocked;
	bool announces; /* one is under way */
	struct item *in[LINES], *out[LINES];
	struct flying *publishes, *binds;
	int n_publishes, n_binds;
	uint64_t last_number;
	bool bound[KEYS];
	int bound_last; /* -1: none */
	bool lost;      /* bindings, since the node was last told */
	struct queued *queue;
	struct fake_delivery *lent;
};

/* A new one, at the end of a line. */
struct item *item_new(struct item **line, enum item_kind kind);
void item_free(struct item *item);
void clear_items(struct item **line);

struct bus_publication *copy_of(const struct bus_publication *p);
void enqueue(struct queued **queue, const struct bus_publication *message);
void dequeue(struct queued **queue, struct queued *q);

#endif
