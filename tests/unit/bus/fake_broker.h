/* Two fake brokers for the failover driver. They can be killed, frozen and blocked, single wires cut.
 *
 *   node ── link ── broker with a queue for each node         (the primary, like RabbitMQ)
 *   node ── link ── broker that passes on to who is here      (the fallback, like Redis)
 */
#ifndef GRID_TESTS_BUS_FAKE_BROKER_H
#define GRID_TESTS_BUS_FAKE_BROKER_H

#include "fake_link.h"

struct broker {
	bool keeps; /* queues for those who are away */
	bool dead, frozen, blocked;
	uint64_t bind_takes_ms; /* each, from one link */
	struct link links[NODES];
	struct queued *store; /* messages of absent users */
	int turn;             /* 1 + the node that reads it; 0: nobody */
	struct item *ghosts;  /* sent to it while it was frozen, over links that are gone */
};

extern struct broker brokers[SIDES];

void brokers_init(void);
/* What is left in them; the links are their nodes'. */
void brokers_deinit(void);
struct link *link_of(enum side side, int node);
/* The wire breaks. What was on it to the broker arrives up to some point; what was on it to the node does not. */
void cut(struct link *link, uint64_t notice_after_ms);
/* One that keeps its bindings may yet forget the last one of each node, by chance, as RabbitMQ does. */
void kill_broker(enum side side, bool bindings_too);
void start_broker(enum side side);
void thaw(enum side side);
void link_step(struct link *link);

#endif
