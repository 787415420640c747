/* What is known to be bound to the queue of a node that is dead. */
#ifndef GRID_BUS_RABBITMQ_DEAD_H
#define GRID_BUS_RABBITMQ_DEAD_H

#include "bus/rabbitmq/peers.h"
#include "bus/rabbitmq/setup.h"
#include "bus/rabbitmq/unbinds.h"

/* The keys to be unbound first, and those of its journal, if that lies in our own state_dir. */
void dead_keys(const struct setup *setup, const struct peer *dead, struct unbinds *out);

#endif
