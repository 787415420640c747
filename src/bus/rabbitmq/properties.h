/* AMQP properties and headers ⇄ struct message (docs/protocol.md, section 3). No connection, no state. */
#ifndef GRID_BUS_RABBITMQ_PROPERTIES_H
#define GRID_BUS_RABBITMQ_PROPERTIES_H

#include <stdbool.h>

#include "bus/bus.h"
#include "bus/rabbitmq/amqp_include.h"
#include "bus/rabbitmq/topology.h"
#include "wire/message.h"

/* The header by which a returned message is known again: the broker's own number does not come with it. */
#define HEADER_PUBLISH_NUMBER "grid-number"
/* On a message handed over by a node that had nobody for it: which node. */
#define HEADER_STRAY "grid-stray"

#define TYPE_LOOPBACK "grid.loopback"
#define TYPE_HELLO "grid.hello"

/* --- what came ---------------------------------------------------------------------------------------------------- */

struct decoded {
	struct message message; /* points into the frames */
	bool trusted;           /* published by a node: its account is in user_id, which the broker has checked */
	struct key keys[BUS_TARGETS_MAX];
	size_t n_keys;
	/* How much was left aside, to be counted. */
	unsigned bad_keys;
	bool ignored_headers;
	bool ignored_type;
};

/* Fills all but what decode_keys() does. What only nodes may say is left out of anybody else's message; so is text that
 * is not UTF-8. */
void decode_message(const amqp_basic_properties_t *properties, struct str body, const char *account,
                    struct decoded *out);
/* Fills `keys`, `n_keys` and `bad_keys`: the routing key and those of a CC header which can have come through this
 * exchange; each once. */
void decode_keys(enum exchange exchange, struct str routing_key, const amqp_basic_properties_t *properties,
                 struct decoded *out);
/* An integer header of any width, or false. */
bool header_int(const amqp_basic_properties_t *properties, const char *name, int64_t *out);

/* --- what goes out ------------------------------------------------------------------------------------------------ */

#define ENCODED_HEADERS_MAX 8

struct encoded {
	amqp_basic_properties_t properties; /* points into this struct, and into the message */
	amqp_table_entry_t headers[ENCODED_HEADERS_MAX];
	char expiration[24];
};

/* `number`: HEADER_PUBLISH_NUMBER, 0 for none. */
void encode_message(const struct message *m, const char *account, uint64_t number, bool persistent,
                    struct encoded *out);

/* The properties of a delivery that is handed over: as they came (`raw`), but persistent, under our own account,
 * without keys to route by, and without what its sender was not believed. Properties go out in one frame of at most
 * `frame_max` bytes; headers that leave no room there for ours are left out. Memory from `pool`. -EBADMSG, -ENOMEM. */
GRID_MUST_CHECK int encode_stray(struct str raw, size_t frame_max, bool trusted, const char *account,
                                 const char *node_id, uint64_t number, amqp_pool_t *pool,
                                 amqp_basic_properties_t **out);

#endif
