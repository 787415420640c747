/* Puts the frames of one message together: method, header, body. One for each channel that gets content. */
#ifndef GRID_BUS_RABBITMQ_INCOMING_H
#define GRID_BUS_RABBITMQ_INCOMING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "bus/rabbitmq/amqp_include.h"

enum { INCOMING_COMPLETE = 1 };

struct incoming {
	/* Of a complete message; all but a body of several frames lies in the library's buffers: valid until
	 * link_release(), which must wait while incoming_busy(). */
	const void *method; /* amqp_basic_deliver_t or amqp_basic_return_t */
	const amqp_basic_properties_t *properties;
	struct str raw_properties;
	struct str body;
	bool no_memory; /* the body did not fit; `body` is empty */

	enum { INCOMING_IDLE, INCOMING_HEADER, INCOMING_BODY } state;
	size_t missing;
	char *assembled; /* a body of several frames */
	size_t assembled_n;
};

/* 0: more to come. INCOMING_COMPLETE: look now, then incoming_done(). -EPROTO: not what should come here. */
GRID_MUST_CHECK int incoming_frame(struct incoming *in, const amqp_frame_t *frame);
/* Ready for the next one; also in the middle of one. */
void incoming_done(struct incoming *in);
static inline bool incoming_busy(const struct incoming *in)
{
	return in->state != INCOMING_IDLE;
}

#endif
