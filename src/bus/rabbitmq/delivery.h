/* A delivery from the broker, as the driver carries it around what core sees of it. */
#ifndef GRID_BUS_RABBITMQ_DELIVERY_H
#define GRID_BUS_RABBITMQ_DELIVERY_H

#include "base/clock.h"
#include "bus/rabbitmq/incoming.h"
#include "bus/rabbitmq/mail.h"
#include "bus/rabbitmq/setup.h"

enum { DELIVERY_E_DROP = 1, DELIVERY_E_HELLO };

/* The consumer: from a complete message. DELIVERY_E_DROP: nothing to do with it but acknowledge it (counted).
 * DELIVERY_E_HELLO: the same, once hello_read() has had it.
 * -ENOMEM. */
GRID_MUST_CHECK int delivery_new(const struct setup *setup, const struct incoming *in, struct now now,
                                 struct delivery **deliveryp);
/* Gives up the frames (loop thread, or never handed over) and what was kept; what remains is the tag. */
void delivery_strip(struct delivery *d);
/* Takes and returns NULL. */
struct delivery *delivery_free(struct delivery *d);

static inline struct delivery *delivery_of(struct bus_delivery *bus)
{
	return GRID_CONTAINER_OF(bus, struct delivery, bus);
}
static inline struct str delivery_raw_properties(const struct delivery *d)
{
	return (struct str){d->raw, d->raw_properties};
}
static inline struct str delivery_raw_body(const struct delivery *d)
{
	return (struct str){d->raw + d->raw_properties, d->raw_body};
}

#endif
