/* Keys to be unbound from a queue whose owner is dead: in the order they became known, each once.
 *
 * Bindings cannot be listed over AMQP. But a message that came under a key proves that it is bound, and whoever knows
 * more (a journal of the node that is dead) adds it here. */
#ifndef GRID_BUS_RABBITMQ_UNBINDS_H
#define GRID_BUS_RABBITMQ_UNBINDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "bus/rabbitmq/topology.h"

#define UNBINDS_MAX 65536 /* keys of one queue; more than that stay bound until it is deleted */

struct unbind {
	struct unbind *next;
	enum exchange exchange;
	char *key; /* as it was bound */
};

struct unbinds;

struct unbinds *unbinds_new(void);               /* NULL when out of memory */
struct unbinds *unbinds_free(struct unbinds *u); /* takes and returns NULL */
void unbinds_clear(struct unbinds *u);           /* another queue: all is forgotten */
/* A key that has been added before is not added again, whether it waits or was taken. One that does not fit, or for
 * which there is no memory, is left out. */
void unbinds_add(struct unbinds *u, enum exchange exchange, const char *key);
bool unbinds_waiting(const struct unbinds *u);
/* The next one, or NULL; valid until unbinds_clear(). */
const struct unbind *unbinds_take(struct unbinds *u);
size_t unbinds_taken(const struct unbinds *u);

#endif
