/* The consumer from inside: consumer.c moves frames and mail, queue.c looks after the queue on the broker. */
#ifndef GRID_BUS_RABBITMQ_CONSUMER_STATE_H
#define GRID_BUS_RABBITMQ_CONSUMER_STATE_H

#include "base/log.h"
#include "bus/rabbitmq/acks.h"
#include "bus/rabbitmq/barrier.h"
#include "bus/rabbitmq/consumer.h"
#include "bus/rabbitmq/delivery.h"
#include "bus/rabbitmq/incoming.h"
#include "bus/rabbitmq/link.h"
#include "bus/rabbitmq/mail.h"
#include "bus/rabbitmq/ops.h"
#include "bus/rabbitmq/setup.h"
#include "bus/rabbitmq/worker.h"

enum { CHANNEL_DELIVERIES = 1, CHANNEL_BINDINGS, CHANNEL_SCRATCH };

#define CONSUMER_BATCH 256
#define NODE_KEYS 3

/* What the consumer is about, once it consumes.
 *
 *   EMPTYING ──quiet──▶ CANCELLING ──queue made anew──▶ SERVING
 *       ▲                    │
 *       └──not empty, again──┘
 *
 * A queue taken over as it is, and a new one, go to SERVING at once. */
enum consumer_phase { PHASE_SERVING, PHASE_EMPTYING, PHASE_CANCELLING };

struct consumer {
	const struct setup *setup;
	struct rabbitmq_counters *counters;
	struct link link;
	struct worker worker;
	struct mailbox *in;      /* from the loop: ops, events */
	struct mailbox *settled; /* from the loop: deliveries to acknowledge */
	struct mailbox *out;     /* to the loop */

	unsigned life; /* counts connections that got as far as consuming */
	bool told;     /* the loop knows of this life */
	bool owned;    /* this process has served this queue: what is bound to it is ours */
	bool fatal;    /* the loop has been told to give up */
	struct event begin, consuming, lost, fatal_event;

	struct acks *acks;
	struct barrier barrier;
	struct ops ops;
	struct op node_ops[NODE_KEYS];
	size_t node_ops_open;
	struct incoming incoming;
	struct delivery *batch[CONSUMER_BATCH];
	size_t batch_n;

	enum consumer_phase phase;
	bool scratch_open;
	bool cancelled; /* cancel-ok has come */
	struct {
		bool given_up;
		unsigned tries;
		unsigned leftovers;
		uint64_t deadline_ms;
		uint64_t look_at_ms;
	} reset;
	struct log_limit too_large_limit;
};

/* queue.c. Both: 0, or the link is lost (or `fatal`). */

/* On a fresh connection: are exchanges and queues there; the node's queue declared and consumed. */
GRID_MUST_CHECK int queue_establish(struct consumer *c);
/* Whenever frames and mail have been taken: the next step towards SERVING. */
GRID_MUST_CHECK int queue_step(struct consumer *c);

/* consumer.c */

/* The queue is ours: `fresh` when nothing of this life is bound to it yet. Tells the loop, once the node's keys are. */
void consumer_serve(struct consumer *c, bool fresh);
void consumer_tell(struct consumer *c, struct event *event);
/* One line to the loop; nothing more happens after it. */
GRID_MUST_CHECK GRID_PRINTF(2, 3) int consumer_give_up(struct consumer *c, const char *fmt, ...);

#endif
