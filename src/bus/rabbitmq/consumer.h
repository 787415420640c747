/* What reads from the broker: deliveries and their acknowledgements on one channel, binds and unbinds on another. All
 * of it is done by a thread, which lends its link to the loop while nothing but deliveries come (helm.h). It never
 * waits for the loop: a delivery always finds a slot (see mail.h), and what holds the broker back is acknowledgements
 * not sent. */
#ifndef GRID_BUS_RABBITMQ_CONSUMER_H
#define GRID_BUS_RABBITMQ_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bus_env;
struct consumer;
struct delivery;
struct mail;
struct setup;

/* Starts the thread. -errno. */
GRID_MUST_CHECK int consumer_new(const struct setup *setup, const struct bus_env *env, struct consumer **consumerp);
/* Asks the thread to end; what has been settled is still acknowledged. */
void consumer_stop(struct consumer *c);
/* Waits for the end (bounded), frees what was under way. Takes and returns NULL. */
struct consumer *consumer_free(struct consumer *c);

/* At the beginning of a turn of the bus: takes what the broker has sent, unless the thread does. */
void consumer_turn(struct consumer *c, uint64_t now_ms);
/* To the consumer: an op, an event that goes back, EVENT_REBIND. */
void consumer_send(struct consumer *c, struct mail *mail);
/* A delivery of the life that is, stripped, to be acknowledged (or rejected, if it says so) and freed. */
void consumer_settle(struct consumer *c, struct delivery *d);
/* From the consumer: ops with their result, deliveries, events. */
size_t consumer_take(struct consumer *c, void **mail, size_t max);
bool consumer_has_mail(const struct consumer *c);
/* Cuts the connection: it will be made anew. */
void consumer_interrupt(struct consumer *c);

#endif
