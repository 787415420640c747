/* The consumer from inside. consumer.c: the thread, frames and mail. intake.c: one consumed queue. keys.c: what is
 * bound. queue.c, takeover.c, reset.c: the node's queue on the broker. reaper.c: those of dead nodes. */
#ifndef GRID_BUS_RABBITMQ_CONSUMER_STATE_H
#define GRID_BUS_RABBITMQ_CONSUMER_STATE_H

#include "base/clock.h"
#include "base/log.h"
#include "bus/rabbitmq/consumer.h"
#include "bus/rabbitmq/delivery.h"
#include "bus/rabbitmq/helm.h"
#include "bus/rabbitmq/intake.h"
#include "bus/rabbitmq/journal.h"
#include "bus/rabbitmq/link.h"
#include "bus/rabbitmq/mail.h"
#include "bus/rabbitmq/ops.h"
#include "bus/rabbitmq/reaper.h"
#include "bus/rabbitmq/setup.h"
#include "bus/rabbitmq/worker.h"

enum { CHANNEL_DELIVERIES = 1, CHANNEL_BINDINGS, CHANNEL_SCRATCH, CHANNEL_REAP };

#define CONSUMER_BATCH 256
#define NODE_KEYS 3

/* What the consumer is about, once it consumes. A queue taken over as it is, and a new one, are served at once; before
 * that comes, for others, what reset.c does. */
enum consumer_phase { PHASE_SERVING, PHASE_EMPTYING, PHASE_BYPASSED, PHASE_CANCELLING, PHASE_DELETING };

struct consumer {
	const struct setup *setup;
	struct rabbitmq_counters *counters;
	struct link link;
	struct helm helm;
	struct worker worker;
	struct mailbox *in;      /* from the loop: ops, events */
	struct mailbox *settled; /* from the loop: deliveries to acknowledge */
	struct mailbox *out;     /* to the loop */

	unsigned life; /* counts connections that got as far as consuming */
	bool told;     /* the loop knows of this life */
	bool owned;    /* what is bound to the queue is ours: this process has served it, or taken it over */
	bool served;   /* this process has served a queue: nothing is taken over any more */
	bool fatal;    /* the loop has been told to give up */
	struct event begin, restored, consuming, lost, fatal_event;

	struct intake own;    /* the node's queue */
	struct reaper reaper; /* of dead nodes' queues */
	struct ops ops;
	struct op node_ops[NODE_KEYS];
	struct op *unsure; /* unbinds of keys that were taken over and may be bound or not */
	size_t n_unsure;
	size_t own_ops_open; /* of these */
	struct journal *journal;
	struct journal_header ours; /* the queue and its bindings */
	const char *cold_why;       /* a queue that was found was not taken over */
	bool falling_back;          /* to a queue that is not served yet; until then it can be undone: */
	bool owned_before;
	struct journal_header before;
	struct now now; /* of what is read */
	struct delivery *batch[CONSUMER_BATCH];
	size_t batch_n;
	uint64_t settle_at_ms; /* when to look at what the loop has settled; 0: it wakes us */

	enum consumer_phase phase;
	bool scratch_open;
	bool cancelled; /* cancel-ok has come */
	struct {
		bool given_up;
		unsigned leftovers; /* deliveries that came meanwhile */
		unsigned enough;    /* of them: then the queue holds nothing that is not in the bypass, too */
		char bypass[256];
		uint64_t deadline_ms;
		uint64_t look_at_ms;
	} reset;
	struct log_limit too_large_limit;
};

/* queue.c. 0, or the link is lost (or `fatal`). */

/* On a fresh connection: are exchanges and queues there; the node's queue declared and consumed. */
GRID_MUST_CHECK int queue_establish(struct consumer *c);
/* Its parts. Questions go over a channel that the broker may answer by closing it, LINK_E_CHANNEL; queue_unexpected()
 * makes a lost link of a refusal that is nobody's plan. */
GRID_MUST_CHECK int queue_open_scratch(struct consumer *c);
GRID_MUST_CHECK int queue_scratch_reply(struct consumer *c, const char *doing);
GRID_MUST_CHECK int queue_unexpected(int rc);
/* Is it there, and (if not NULL) how many messages wait in it? */
GRID_MUST_CHECK int queue_look(struct consumer *c, const char *name, uint32_t *readyp);
GRID_MUST_CHECK int queue_declare(struct consumer *c);
GRID_MUST_CHECK int queue_consume(struct consumer *c);

/* reset.c. 0, or the link is lost. */

/* The queue is ours, and what is bound to it is not known: it is emptied and made anew. */
void reset_begin(struct consumer *c);
/* Whenever frames and mail have been taken: the next step towards SERVING. */
GRID_MUST_CHECK int reset_step(struct consumer *c);
/* A frame on the channel for questions that nobody waits for. */
GRID_MUST_CHECK int reset_on_frame(struct consumer *c, const amqp_frame_t *frame);
/* What is bound to the queue is not known, after all: gives up the link, and on the next one the queue is made anew. */
GRID_MUST_CHECK int reset_distrust(struct consumer *c);

/* takeover.c */

/* -ENOMEM; deinit is due in any case. */
GRID_MUST_CHECK int takeover_init(struct consumer *c);
void takeover_deinit(struct consumer *c);
/* On a fresh connection, before anything is declared: sets which queue is ours. Changes nothing on disk. */
void takeover_find_queue(struct consumer *c);
/* The queue was there and has our consumer now: it is `owned` with all its bindings if the journal knows them, and the
 * loop is told which; else `cold_why` is set. */
void takeover_queue(struct consumer *c);
/* The queue was not there. */
void takeover_missed(const struct consumer *c);
/* We serve the queue now, and nothing is bound to it yet: the journal starts anew. */
void takeover_nothing_bound(struct consumer *c);
/* The queue cannot be had, since its broker is away: another one is ours, for good once it is served. */
void takeover_fall_back(struct consumer *c);
/* For each queue of ours that is left behind: when that happens, and once more in each later process. */
void queue_left_behind(struct consumer *c, const char *name);
/* It does not exist any more: forgotten. */
void queue_left_gone(struct consumer *c, const char *name);

/* keys.c */

/* Binds the node's own keys to a queue that has nothing of ours bound. */
void keys_bind_anew(struct consumer *c);
/* Unbinds the keys that were taken over and may be bound or not: who wants one binds it. */
void keys_unbind_unsure(struct consumer *c);
/* Sends what the loop has asked for. 0, or the link is lost. */
GRID_MUST_CHECK int keys_send(struct consumer *c);
/* A frame on their channel. The same. */
GRID_MUST_CHECK int keys_on_frame(struct consumer *c, const amqp_frame_t *frame);
/* The link is lost: the loop is told of each that it is not known what became of it. */
void keys_lose(struct consumer *c);

/* consumer.c */

/* What has come so far goes to the loop, so that what is told next stands behind it. */
void consumer_push_batch(struct consumer *c);

/* The queue is ours: `fresh` when nothing of this life is bound to it yet. Tells the loop, once the node's keys are. */
void consumer_serve(struct consumer *c, bool fresh);
void consumer_tell(struct consumer *c, struct event *event);
/* One line to the loop; nothing more happens after it. */
GRID_MUST_CHECK GRID_PRINTF(2, 3) int consumer_give_up(struct consumer *c, const char *fmt, ...);

#endif
