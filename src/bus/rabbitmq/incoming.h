/* Puts the frames of one message together: method, header, body. One for each channel that gets content. */
#ifndef GRID_BUS_RABBITMQ_INCOMING_H
#define GRID_BUS_RABBITMQ_INCOMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "bus/rabbitmq/amqp_include.h"

enum { INCOMING_COMPLETE = 1, INCOMING_TOO_LARGE };

struct incoming {
	/* Of a complete message; all but a body of several frames lies in the library's buffers: valid until
	 * link_release(), which must wait while incoming_busy(). */
	const void *method; /* amqp_basic_deliver_t or amqp_basic_return_t */
	const amqp_basic_properties_t *properties;
	struct str raw_properties;
	struct str body;
	bool no_memory; /* the body did not fit; `body` is empty */

	enum { INCOMING_IDLE, INCOMING_HEADER, INCOMING_BODY, INCOMING_SKIPPING } state;
	size_t missing;
	char *assembled; /* a body of several frames */
	size_t assembled_n;
};

/* 0: more to come. INCOMING_COMPLETE: look now, then incoming_done(). INCOMING_TOO_LARGE: the body is larger than
 * `max_body`; method and properties may be looked at now, the body will be skipped. -EPROTO: not what should come here.
 */
GRID_MUST_CHECK int incoming_frame(struct incoming *in, const amqp_frame_t *frame, uint64_t max_body);
/* Ready for the next one; also in the middle of one. */
void incoming_done(struct incoming *in);
/* Does it need what lies in the library's buffers? */
static inline bool incoming_busy(const struct incoming *in)
{
	return in->state == INCOMING_HEADER || in->state == INCOMING_BODY;
}

#endif
