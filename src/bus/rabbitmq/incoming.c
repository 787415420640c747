#include "bus/rabbitmq/incoming.h"

#include <errno.h>
#include <stdlib.h>

static int begin(struct incoming *in, const amqp_frame_t *frame)
{
	if (frame->frame_type != AMQP_FRAME_METHOD)
		return -EPROTO;
	incoming_done(in);
	in->method = frame->payload.method.decoded;
	in->state = INCOMING_HEADER;
	return 0;
}

static int header(struct incoming *in, const amqp_frame_t *frame, uint64_t max_body)
{
	if (frame->frame_type != AMQP_FRAME_HEADER || frame->payload.properties.class_id != AMQP_BASIC_CLASS)
		return -EPROTO;
	in->properties = frame->payload.properties.decoded;
	in->raw_properties = amqp_str(frame->payload.properties.raw);
	in->missing = (size_t)frame->payload.properties.body_size;
	if (frame->payload.properties.body_size > max_body) {
		in->state = INCOMING_SKIPPING;
		return INCOMING_TOO_LARGE;
	}
	in->state = INCOMING_BODY;
	return in->missing ? 0 : INCOMING_COMPLETE;
}

/* A body in one frame stays where it is; pieces are copied into one block. */
static int body(struct incoming *in, const amqp_frame_t *frame)
{
	struct str piece = amqp_str(frame->payload.body_fragment);

	if (frame->frame_type != AMQP_FRAME_BODY || piece.n > in->missing)
		return -EPROTO;
	if (!in->assembled && !in->no_memory && piece.n == in->missing) {
		in->body = piece;
	} else {
		if (!in->assembled && !in->no_memory) {
			in->assembled = malloc(in->missing);
			in->no_memory = !in->assembled;
		}
		if (in->assembled) {
			memcpy(in->assembled + in->assembled_n, piece.p, piece.n);
			in->assembled_n += piece.n;
			in->body = (struct str){in->assembled, in->assembled_n};
		}
	}
	in->missing -= piece.n;
	return in->missing ? 0 : INCOMING_COMPLETE;
}

static int skip(struct incoming *in, const amqp_frame_t *frame)
{
	size_t n = frame->payload.body_fragment.len;

	if (frame->frame_type != AMQP_FRAME_BODY || n > in->missing)
		return -EPROTO;
	in->missing -= n;
	if (in->missing == 0)
		incoming_done(in);
	return 0;
}

int incoming_frame(struct incoming *in, const amqp_frame_t *frame, uint64_t max_body)
{
	switch (in->state) {
	case INCOMING_IDLE:
		return begin(in, frame);
	case INCOMING_HEADER:
		return header(in, frame, max_body);
	case INCOMING_BODY:
		return body(in, frame);
	case INCOMING_SKIPPING:
		return skip(in, frame);
	}
	return -EPROTO;
}

void incoming_done(struct incoming *in)
{
	free(in->assembled);
	*in = (struct incoming){.body = STR("")};
}
