/* One message as it travels between nodes, apart from its key and body: what AMQP carries in properties and headers,
 * and Redis in its envelope (docs/protocol.md, section 3). */
#ifndef GRID_WIRE_MESSAGE_H
#define GRID_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct message {
	struct str id;      /* message_id */
	struct str type;    /* the application's event name; absent: "message" */
	struct str app;     /* app_id of a backend */
	struct str from;    /* publishing user; only ever set by nodes */
	struct str session; /* publishing session */
	struct str origin;  /* publishing node and its epoch, "<id>.<epoch>" */
	struct str content_type;
	uint64_t ts;         /* Unix ms; 0: absent (the receiver uses the time of arrival) */
	uint64_t seq;        /* the sender's count per key; 0: absent */
	uint64_t expires_ms; /* drop after so many ms; 0: absent */
	bool no_echo;        /* not back to `session` */
	bool persistent;     /* delivery_mode 2 */
	struct str body;     /* as the sender wrote it */
};

/* Is this a type of ours, which only nodes may use? */
bool type_reserved(struct str type);

#endif
