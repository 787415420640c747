/* Reaps the queues of nodes that have died: hellos in, and the second intake on a channel of its own, opened for it.
 * What is decided when stands in reap.h, who is dead in peers.h. It never waits for an answer. */
#ifndef GRID_BUS_RABBITMQ_REAPER_H
#define GRID_BUS_RABBITMQ_REAPER_H

#include "bus/rabbitmq/intake.h"
#include "bus/rabbitmq/peers.h"
#include "bus/rabbitmq/reap.h"
#include "bus/rabbitmq/unbinds.h"

struct reaper {
	struct reap reap;
	struct peers *peers;
	struct unbinds *unbinds;
	struct intake intake;
	struct peer dead; /* whose queue it is, while there is one */
	unsigned handled; /* messages that came out of it */
	uint64_t not_before_ms;
};

/* -ENOMEM; deinit is due in any case. */
GRID_MUST_CHECK int reaper_init(struct consumer *c);
void reaper_deinit(struct consumer *c);

/* A new life of the link: nobody could be heard meanwhile. */
void reaper_begin(struct consumer *c);
void reaper_link_lost(struct consumer *c);
/* A hello has come, complete, in the node's own queue. */
void reaper_on_hello(struct consumer *c, const struct incoming *in);
/* A queue we have left behind and nobody will come back for: reaped like a dead node's, until it is gone. False: that
 * is under way already. */
bool reaper_add_leftover(struct consumer *c, const char *queue);

/* A frame on the reaper's channel; the next step. 0, or the link is lost. */
GRID_MUST_CHECK int reaper_frame(struct consumer *c, const amqp_frame_t *frame);
GRID_MUST_CHECK int reaper_step(struct consumer *c);
/* Is there a queue to reap, or at hand? */
bool reaper_busy(const struct consumer *c);
/* How long the thread may sleep until the next step, ms. */
uint64_t reaper_wait_ms(const struct consumer *c);

/* The reaper's intake: is a message of it wanted; one that is has been decoded; one is done with. */
bool reaper_takes(const struct consumer *c);
void reaper_on_delivery(struct consumer *c, const struct delivery *d);
void reaper_on_settled(struct consumer *c);

#endif
