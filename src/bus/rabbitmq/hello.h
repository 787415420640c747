/* What nodes say to one another so that they know who lives: the message of type grid.hello, sent to `all`. */
#ifndef GRID_BUS_RABBITMQ_HELLO_H
#define GRID_BUS_RABBITMQ_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "bus/rabbitmq/incoming.h"
#include "bus/rabbitmq/peers.h"
#include "bus/rabbitmq/setup.h"

struct rabbitmq;

struct hello {
	char queue[PEER_QUEUE_MAX + 1];   /* the one the sender serves; empty: none yet */
	char origin[PEER_ORIGIN_MAX + 1]; /* "<id>.<epoch>": node.<id>.<epoch> is bound to that queue */
};

/* How often one is sent, ms. */
uint64_t hello_every(const struct bus_config *config);
/* From a complete message that is one; false: it is none that makes sense. */
bool hello_read(const struct setup *setup, const struct incoming *in, struct hello *out);

/* On the loop thread: sends one when it is time, and at once after the publisher's link has come up. */
void hello_advance(struct rabbitmq *r);
void hello_on_up(struct rabbitmq *r);
/* The consumer serves this queue, to which "node.<id>.<epoch>" is bound: said at once. */
void hello_on_serving(struct rabbitmq *r, const char *queue, const char *epoch_key);
void hello_on_letter(struct rabbitmq *r);

#endif
