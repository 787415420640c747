/* One queue that is consumed: its channel, the message that is coming in on it, and what of it is to be acknowledged.
 * A node has two: its own queue, and that of a dead node it reaps (reaper.h). The consumer's. */
#ifndef GRID_BUS_RABBITMQ_INTAKE_H
#define GRID_BUS_RABBITMQ_INTAKE_H

#include "bus/rabbitmq/acks.h"
#include "bus/rabbitmq/barrier.h"
#include "bus/rabbitmq/incoming.h"

struct consumer;
struct delivery;

struct intake {
	struct consumer *consumer;
	amqp_channel_t channel;
	unsigned run; /* of the channel: tags mean nothing in another */
	struct acks *acks;
	struct barrier barrier;
	struct incoming incoming;
	size_t lent; /* deliveries that are with the loop, of all runs in this life of the link */
};

/* -ENOMEM; deinit is due in any case. */
GRID_MUST_CHECK int intake_init(struct intake *in, struct consumer *c, amqp_channel_t channel, size_t prefetch);
void intake_deinit(struct intake *in);

/* What is not acknowledged now goes back to the queue: the channel is about to be closed. What still comes on it is
 * left. */
void intake_give_back(struct intake *in);
/* The channel is gone: the broker delivers again what was not acknowledged. */
void intake_channel_lost(struct intake *in);
/* The whole link is, and the loop knows: it holds nothing any more that it would give back. */
void intake_link_lost(struct intake *in);

/* A frame of content: 0, or the link is lost. */
GRID_MUST_CHECK int intake_frame(struct intake *in, const amqp_frame_t *frame);
/* One of its deliveries is back from the loop: rejected, or acknowledged with the next flush. Still the caller's. */
GRID_MUST_CHECK int intake_settle(struct intake *in, const struct delivery *d);
GRID_MUST_CHECK int intake_flush(struct intake *in);
/* Asks the broker whether it has taken the acknowledgements, when it is time. */
GRID_MUST_CHECK int intake_ask_barrier(struct intake *in);
/* Does the broker wait for acknowledgements before long? */
/* Is something settled and not acknowledged yet? How many are not settled, or not acknowledged? */
bool intake_has_settled(const struct intake *in);
size_t intake_outstanding(const struct intake *in);
bool intake_half_full(const struct intake *in);
/* Is nothing of its queue with us? */
bool intake_empty(const struct intake *in);

#endif
