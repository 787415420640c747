/* What comes in: confirms and returns, what becomes of a letter by them, and whether the broker takes any more. */
#include <errno.h>

#include "base/log.h"
#include "bus/rabbitmq/delivery.h"
#include "bus/rabbitmq/properties.h"
#include "bus/rabbitmq/publisher_state.h"

#define RELEASE_EVERY 64 /* frames */

/* To the next user of a delivery that came under several keys, and has not had it, if there is one. */
static bool next_target(struct letter *letter)
{
	const struct bus_delivery *d = &letter->delivery->bus;

	while (++letter->target < d->n_targets)
		if (d->targets[letter->target].key.kind == KEY_USER && !d->targets[letter->target].placed)
			return true;
	return false;
}

/* Nobody has the user: is a copy for when they come? */
static bool wants_hand_over(const struct letter *letter)
{
	return letter->kind == LETTER_PUBLICATION && !letter->handed_over && letter->publication->reach == BUS_TO_ANYBODY &&
	       !type_reserved(letter->publication->message.type);
}

static void on_confirmed(struct publisher *p, struct letter *letter)
{
	bool publication = letter->kind == LETTER_PUBLICATION;

	counter_add(&p->counters->confirmed, 1);
	if (letter->returned) {
		counter_add(&p->counters->returned, 1);
		if (wants_hand_over(letter)) {
			letter->handed_over = true;
			letters_push(&p->again, letter);
		} else {
			publisher_finish(p, letter, publication && letter->handed_over ? LETTER_REFUSED : LETTER_RETURNED);
		}
		return;
	}
	if (letter->handed_over || letter->kind == LETTER_STRAY)
		counter_add(&p->counters->handed_over, 1);
	if (letter->kind == LETTER_STRAY && next_target(letter))
		letters_push(&p->again, letter);
	else
		publisher_finish(p, letter, letter->handed_over ? LETTER_RETURNED : LETTER_CONFIRMED);
}

static void on_outcome(struct publisher *p, struct letter *letter, bool ack)
{
	if (ack) {
		on_confirmed(p, letter);
	} else {
		counter_add(&p->counters->refused, 1);
		publisher_finish(p, letter, LETTER_REFUSED);
	}
}

static void on_confirm(struct publisher *p, uint64_t number, bool multiple, bool ack)
{
	struct letter *letter;

	if (!multiple) {
		letter = confirms_take(p->confirms, number);
		if (letter)
			on_outcome(p, letter, ack);
		return;
	}
	if (number == 0)
		number = UINT64_MAX; /* all so far */
	while ((letter = confirms_take_until(p->confirms, number)))
		on_outcome(p, letter, ack);
}

static int on_return_frame(struct publisher *p, const amqp_frame_t *frame)
{
	int64_t number;
	int rc = incoming_frame(&p->incoming, frame, UINT64_MAX);

	if (rc < 0)
		return link_fail(&p->link, "frames in an order that makes no message");
	if (rc != INCOMING_COMPLETE)
		return 0;
	struct letter *letter = header_int(p->incoming.properties, HEADER_PUBLISH_NUMBER, &number)
	                            ? confirms_find(p->confirms, (uint64_t)number)
	                            : NULL;
	if (letter)
		letter->returned = true;
	incoming_done(&p->incoming);
	return 0;
}

static void set_blocked(struct publisher *p, bool blocked, amqp_bytes_t reason)
{
	if (blocked == p->blocked)
		return;
	p->blocked = blocked;
	counter_set(&p->counters->blocked, blocked);
	if (blocked)
		log_warn("bus.blocked", "why=%s", LOG_QUOTED(amqp_str(reason)));
	else
		log_info("bus.unblocked", "address=%s:%s", p->link.host, p->link.port);
}

static int on_method(struct publisher *p, const amqp_frame_t *frame)
{
	const amqp_method_t *method = &frame->payload.method;

	switch (method->id) {
	case AMQP_BASIC_ACK_METHOD: {
		const amqp_basic_ack_t *m = method->decoded;
		on_confirm(p, m->delivery_tag, m->multiple, true);
		return 0;
	}
	case AMQP_BASIC_NACK_METHOD: {
		const amqp_basic_nack_t *m = method->decoded;
		on_confirm(p, m->delivery_tag, m->multiple, false);
		return 0;
	}
	case AMQP_BASIC_RETURN_METHOD:
		return on_return_frame(p, frame);
	case AMQP_CONNECTION_BLOCKED_METHOD:
		set_blocked(p, true, ((const amqp_connection_blocked_t *)method->decoded)->reason);
		return 0;
	case AMQP_CONNECTION_UNBLOCKED_METHOD:
		set_blocked(p, false, amqp_empty_bytes);
		return 0;
	default: {
		int rc = link_closed_by(&p->link, frame);
		if (rc == 0)
			return link_fail(&p->link, "unexpected method %#x", method->id);
		return rc == LINK_E_CHANNEL ? -ECONNABORTED : rc;
	}
	}
}

int publisher_read_frames(struct publisher *p)
{
	amqp_frame_t frame;

	for (unsigned i = 1;; i++) {
		int rc = link_read(&p->link, &frame);
		if (rc != 0)
			return rc;
		rc = frame.frame_type == AMQP_FRAME_METHOD ? on_method(p, &frame) : on_return_frame(p, &frame);
		if (rc != 0)
			return rc;
		if (!incoming_busy(&p->incoming) && i % RELEASE_EVERY == 0)
			link_release(&p->link);
		if (!link_has_more(&p->link))
			return LINK_E_NOTHING;
	}
}
