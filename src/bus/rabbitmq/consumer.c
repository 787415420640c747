#include "bus/rabbitmq/consumer.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "bus/rabbitmq/consumer_state.h"

#define RELEASE_EVERY 32 /* messages, so that rabbitmq-c's buffers do not grow with the batch */
#define EVENTS_MAX 4     /* of one life, plus the last one's */
#define RESET_WAIT_MS 10

/* --- to the loop -------------------------------------------------------------------------------------------------- */

static void push_batch(struct consumer *c)
{
	for (size_t i = 0; i < c->batch_n; i++)
		mail_send(c->out, &c->batch[i]->mail);
	c->batch_n = 0;
}

void consumer_tell(struct consumer *c, struct event *event)
{
	push_batch(c);
	event->life = c->life;
	c->told = true;
	mail_send(c->out, &event->mail);
}

int consumer_give_up(struct consumer *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->fatal_event.text, sizeof(c->fatal_event.text), fmt, ap);
	va_end(ap);
	c->fatal = true;
	return -ECANCELED;
}

static void answer(struct consumer *c, struct op *op, enum bus_bind_result result)
{
	push_batch(c);
	op->result = result;
	mail_send(c->out, &op->mail);
}

/* --- binds and unbinds -------------------------------------------------------------------------------------------- */

static void bind_node_keys(struct consumer *c)
{
	const struct topology *t = &c->setup->topology;
	const char *const keys[NODE_KEYS] = {t->epoch_key, t->node_key, "all"};

	GRID_ASSERT(c->node_ops_open == 0);
	for (size_t i = 0; i < NODE_KEYS; i++) {
		struct op *op = &c->node_ops[i];
		*op = (struct op){.mail.kind = MAIL_OP, .internal = true, .exchange = EXCHANGE_NODES};
		snprintf(op->routing_key, sizeof(op->routing_key), "%s", keys[i]);
		ops_push(&c->ops, op);
	}
	c->node_ops_open = NODE_KEYS;
}

void consumer_serve(struct consumer *c, bool fresh)
{
	c->phase = PHASE_SERVING;
	c->owned = true;
	c->consuming.flag = fresh;
	link_in_use(&c->link);
	if (fresh)
		bind_node_keys(c);
	else
		consumer_tell(c, &c->consuming);
}

static int send_op(struct consumer *c, const struct op *op)
{
	const struct topology *t = &c->setup->topology;
	amqp_bytes_t queue = amqp_from_text(t->node_queue);
	amqp_bytes_t exchange = amqp_from_text(t->exchanges[op->exchange]);
	amqp_bytes_t key = amqp_from_text(op->routing_key);
	int status;

	if (op->unbind) {
		amqp_queue_unbind_t m = {.queue = queue, .exchange = exchange, .routing_key = key};
		status = amqp_send_method(c->link.conn, CHANNEL_BINDINGS, AMQP_QUEUE_UNBIND_METHOD, &m);
		counter_add(&c->counters->unbinds, 1);
	} else {
		amqp_queue_bind_t m = {.queue = queue, .exchange = exchange, .routing_key = key};
		status = amqp_send_method(c->link.conn, CHANNEL_BINDINGS, AMQP_QUEUE_BIND_METHOD, &m);
		counter_add(&c->counters->binds, 1);
	}
	return link_status(&c->link, "binding", status);
}

static int send_ops(struct consumer *c)
{
	int rc = 0;

	if (!c->ops.unsent)
		return 0;
	link_cork(&c->link, true);
	for (struct op *op = ops_send(&c->ops); op && rc == 0; op = ops_send(&c->ops))
		rc = send_op(c, op);
	link_cork(&c->link, false);
	return rc;
}

static int on_op_answered(struct consumer *c, bool unbind)
{
	struct op *op = ops_answer(&c->ops);

	if (!op || op->unbind != unbind)
		return link_fail(&c->link, "an answer to a bind that was not asked for");
	if (!op->internal)
		answer(c, op, BUS_BIND_OK);
	else if (--c->node_ops_open == 0)
		consumer_tell(c, &c->consuming);
	return 0;
}

/* The broker refused the oldest bind and closed the channel: the others go out again on a new one. If it is the queue
 * or the exchange that is not there, no key is to blame, and everything starts anew. */
static int on_bindings_closed(struct consumer *c, const amqp_channel_close_t *close)
{
	bool refused = close->class_id == AMQP_QUEUE_BIND_METHOD >> 16;
	struct op *op = refused ? ops_answer(&c->ops) : NULL;

	if (c->link.code == AMQP_NOT_FOUND) {
		if (op && !op->internal)
			answer(c, op, BUS_BIND_LOST);
		return -ECONNABORTED;
	}
	if (op && op->internal)
		return link_fail(&c->link, "binding %s to exchange %s: refused", op->routing_key,
		                 c->setup->topology.exchanges[op->exchange]);
	if (op) {
		counter_add(&c->counters->binds_refused, 1);
		answer(c, op, BUS_BIND_REFUSED);
	}
	ops_rewind(&c->ops);
	amqp_channel_open(c->link.conn, CHANNEL_BINDINGS);
	int rc = link_reply(&c->link, CHANNEL_BINDINGS, "opening a channel", amqp_get_rpc_reply(c->link.conn));
	return rc == LINK_E_CHANNEL ? -ECONNABORTED : rc;
}

static int on_bindings_frame(struct consumer *c, const amqp_frame_t *frame)
{
	if (frame->frame_type != AMQP_FRAME_METHOD)
		return link_fail(&c->link, "content on the channel of bindings");
	switch (frame->payload.method.id) {
	case AMQP_QUEUE_BIND_OK_METHOD:
		return on_op_answered(c, false);
	case AMQP_QUEUE_UNBIND_OK_METHOD:
		return on_op_answered(c, true);
	case AMQP_CHANNEL_CLOSE_METHOD: {
		amqp_channel_close_t close = *(const amqp_channel_close_t *)frame->payload.method.decoded;
		int rc = link_closed_by(&c->link, frame);
		return rc == LINK_E_CHANNEL ? on_bindings_closed(c, &close) : rc;
	}
	default:
		return link_fail(&c->link, "unexpected method %#x", frame->payload.method.id);
	}
}

/* --- deliveries --------------------------------------------------------------------------------------------------- */

/* It cannot be taken in, or not handed over: the broker moves it to where expired messages go. */
static int reject(struct consumer *c, uint64_t tag)
{
	acks_forget(c->acks, tag);
	return link_status(&c->link, "rejecting", amqp_basic_reject(c->link.conn, CHANNEL_DELIVERIES, tag, 0));
}

static int count_delivery(struct consumer *c, const amqp_basic_deliver_t *method)
{
	counter_add(&c->counters->deliveries, 1);
	counter_add(&c->counters->redelivered, method->redelivered != 0);
	if (acks_delivered(c->acks, method->delivery_tag) != 0)
		return link_fail(&c->link, "more deliveries than the prefetch allows");
	return 0;
}

/* What the node holds at once is bounded by prefetch times max_body. */
static int on_too_large(struct consumer *c)
{
	const amqp_basic_deliver_t *method = c->incoming.method;
	int rc = count_delivery(c, method);

	if (rc != 0)
		return rc;
	counter_add(&c->counters->dropped_size, 1);
	log_limited(&c->too_large_limit, clock_mono_ms(), LOG_LEVEL_WARN, "bus.too_large",
	            "exchange=%s key=%s bytes=%zu hint=\"above bus.rabbitmq.max_body; it becomes a dead letter\"",
	            LOG_QUOTED(amqp_str(method->exchange)), LOG_QUOTED(amqp_str(method->routing_key)), c->incoming.missing);
	return reject(c, method->delivery_tag);
}

static int on_delivery(struct consumer *c)
{
	const amqp_basic_deliver_t *method = c->incoming.method;
	uint64_t tag = method->delivery_tag;
	struct delivery *d = NULL;

	int counted = count_delivery(c, method);
	if (counted != 0)
		return counted;
	int rc = c->incoming.no_memory ? -ENOMEM : delivery_new(c->setup, &c->incoming, clock_now(), &d);
	incoming_done(&c->incoming);
	if (c->phase != PHASE_SERVING)
		c->reset.leftovers++;
	if (rc == DELIVERY_E_DROP) {
		acks_settle(c->acks, tag);
		return 0;
	}
	if (rc != 0) {
		counter_add(&c->counters->dropped_memory, 1);
		return reject(c, tag);
	}
	d->life = c->life;
	d->leftover = c->phase != PHASE_SERVING;
	c->batch[c->batch_n++] = d;
	return 0;
}

static int on_content_frame(struct consumer *c, const amqp_frame_t *frame)
{
	int rc = incoming_frame(&c->incoming, frame, (uint64_t)c->setup->config->rabbitmq.max_body);
	if (rc < 0)
		return link_fail(&c->link, "frames in an order that makes no message");
	if (rc == INCOMING_TOO_LARGE)
		return on_too_large(c);
	return rc == INCOMING_COMPLETE ? on_delivery(c) : 0;
}

static int on_deliveries_frame(struct consumer *c, const amqp_frame_t *frame)
{
	if (frame->frame_type != AMQP_FRAME_METHOD || frame->payload.method.id == AMQP_BASIC_DELIVER_METHOD)
		return on_content_frame(c, frame);
	switch (frame->payload.method.id) {
	case AMQP_BASIC_CANCEL_METHOD:
		return link_fail(&c->link, "the broker cancelled our consumer: the queue was deleted or moved");
	case AMQP_BASIC_CANCEL_OK_METHOD:
		c->cancelled = true;
		return 0;
	case AMQP_CHANNEL_FLOW_OK_METHOD:
		return barrier_answered(&c->barrier) ? 0 : link_fail(&c->link, "an answer to a question that was not asked");
	case AMQP_CHANNEL_CLOSE_METHOD: {
		int rc = link_closed_by(&c->link, frame);
		return rc == LINK_E_CHANNEL ? -ECONNABORTED : rc;
	}
	default:
		return link_fail(&c->link, "unexpected method %#x", frame->payload.method.id);
	}
}

static int on_frame(struct consumer *c, const amqp_frame_t *frame)
{
	switch (frame->channel) {
	case CHANNEL_DELIVERIES:
		return on_deliveries_frame(c, frame);
	case CHANNEL_BINDINGS:
		return on_bindings_frame(c, frame);
	default: {
		int rc = link_closed_by(&c->link, frame);
		c->scratch_open = c->scratch_open && rc == 0;
		return rc < 0 ? rc : 0;
	}
	}
}

/* Everything that is there, but not more than one batch; LINK_E_NOTHING when that was all. */
static int read_frames(struct consumer *c)
{
	unsigned since_release = 0;
	amqp_frame_t frame;
	int rc;

	while (c->batch_n < CONSUMER_BATCH) {
		rc = link_read(&c->link, &frame);
		if (rc == 0)
			rc = on_frame(c, &frame);
		if (rc != 0)
			return rc;
		if (!incoming_busy(&c->incoming) && ++since_release % RELEASE_EVERY == 0)
			link_release(&c->link);
	}
	return 0;
}

/* --- mail from the loop ------------------------------------------------------------------------------------------- */

static int send_ack(void *arg, uint64_t tag, bool multiple)
{
	struct consumer *c = arg;
	counter_add(&c->counters->acks, 1);
	return link_status(&c->link, "acknowledging", amqp_basic_ack(c->link.conn, CHANNEL_DELIVERIES, tag, multiple));
}

static int settle(struct consumer *c, const struct delivery *d)
{
	if (d->rejected)
		return reject(c, d->tag);
	acks_settle(c->acks, d->tag);
	c->barrier.acknowledged++;
	return 0;
}

static int ask_barrier(struct consumer *c)
{
	amqp_channel_flow_t flow = {.active = 1};
	uint64_t now = clock_mono_ms();

	if (!barrier_due(&c->barrier, now))
		return 0;
	barrier_asked(&c->barrier, now);
	return link_status(&c->link, "asking for acknowledgements",
	                   amqp_send_method(c->link.conn, CHANNEL_DELIVERIES, AMQP_CHANNEL_FLOW_METHOD, &flow));
}

static int take_settled(struct consumer *c)
{
	void *items[CONSUMER_BATCH];
	size_t n;
	int rc = 0;

	while (rc == 0 && (n = mailbox_pop(c->settled, items, CONSUMER_BATCH)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct delivery *d = items[i];
			if (rc == 0 && d->life == c->life)
				rc = settle(c, d);
			delivery_free(d);
		}
	}
	if (rc == 0)
		rc = acks_flush(c->acks, send_ack, c);
	return rc ? rc : ask_barrier(c);
}

static void on_event(struct consumer *c, const struct event *event)
{
	if (event->kind == EVENT_REBIND) {
		c->consuming.flag = true;
		bind_node_keys(c);
	}
}

static int take_mail(struct consumer *c)
{
	void *items[CONSUMER_BATCH];
	size_t n;

	while ((n = mailbox_pop(c->in, items, CONSUMER_BATCH)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct mail *mail = items[i];
			if (mail->kind == MAIL_OP)
				ops_push(&c->ops, (struct op *)(void *)mail);
			else
				on_event(c, (const struct event *)(const void *)mail);
		}
	}
	return send_ops(c);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static uint64_t wait_ms(const struct consumer *c)
{
	if (c->phase != PHASE_SERVING)
		return RESET_WAIT_MS;
	return barrier_needed(&c->barrier) ? BARRIER_MS : UINT32_MAX / 2;
}

/* Until the link is lost, or it is time to stop. */
static int serve(struct consumer *c)
{
	while (!link_stopping(&c->link)) {
		int read = read_frames(c);
		push_batch(c);
		if (read < 0)
			return read;
		int rc = take_settled(c);
		if (rc == 0)
			rc = queue_step(c);
		if (rc == 0)
			rc = take_mail(c); /* last: the step may have left binds to send */
		if (rc != 0)
			return rc;
		if (!incoming_busy(&c->incoming))
			link_release(&c->link);
		/* queue_step() may have read frames into the library. */
		if (read == LINK_E_NOTHING && !amqp_frames_enqueued(c->link.conn) && !amqp_data_in_buffer(c->link.conn))
			link_wait(&c->link, wait_ms(c), false);
	}
	return 0;
}

static void lose_ops(struct consumer *c)
{
	for (struct op *op = ops_pop(&c->ops); op; op = ops_pop(&c->ops))
		if (!op->internal)
			answer(c, op, BUS_BIND_LOST);
	c->node_ops_open = 0;
}

/* Until our `lost` is back: then the loop holds nothing of this life that it would still send. */
static void wait_for_lost(struct consumer *c)
{
	struct pollfd fd = {.fd = c->link.wake_fd, .events = POLLIN};
	bool back = false;
	void *item;

	while (!back && !link_stopping(&c->link)) {
		while (!back && mailbox_pop(c->in, &item, 1) == 1) {
			struct mail *mail = item;
			if (mail->kind == MAIL_OP)
				ops_push(&c->ops, (struct op *)(void *)mail);
			back = mail == &c->lost.mail;
		}
		lose_ops(c);
		uint64_t wakes;
		if (!back && poll(&fd, 1, -1) > 0 && read(c->link.wake_fd, &wakes, sizeof(wakes)) < 0)
			continue;
	}
}

static void drop_settled(struct consumer *c)
{
	void *item;
	while (mailbox_pop(c->settled, &item, 1) == 1)
		delivery_free(item);
}

static void end_life(struct consumer *c)
{
	push_batch(c);
	lose_ops(c);
	link_close(&c->link, false);
	incoming_done(&c->incoming);
	if (c->told) {
		counter_add(&c->counters->consumer.losses, 1);
		log_warn("bus.lost", "link=consumer why=%s", LOG_QUOTED(str_from(c->link.why)));
		c->lost.taken = c->barrier.taken;
		mail_send(c->out, &c->lost.mail);
		wait_for_lost(c);
		c->told = false;
	}
	drop_settled(c);
	acks_reset(c->acks);
	c->barrier = (struct barrier){0};
}

/* The last thing: what is settled is acknowledged, so that the next life does not get it again. */
static void finish(struct consumer *c)
{
	push_batch(c);
	bool fine = c->link.conn && take_settled(c) == 0;
	link_close(&c->link, fine);
	incoming_done(&c->incoming);
}

static void run(void *arg)
{
	struct consumer *c = arg;

	while (!link_stopping(&c->link) && !c->fatal) {
		int rc = link_open(&c->link);
		if (rc == 0)
			rc = queue_establish(c);
		if (rc == 0)
			rc = serve(c);
		if (link_stopping(&c->link))
			break;
		end_life(c);
		if (!c->fatal)
			link_pause(&c->link);
	}
	if (c->fatal)
		mail_send(c->out, &c->fatal_event.mail);
	finish(c);
}

/* --- from the loop ------------------------------------------------------------------------------------------------ */

static struct event event_of(enum event_kind kind)
{
	return (struct event){.mail.kind = MAIL_EVENT, .kind = kind};
}

static bool make_mailboxes(struct consumer *c, mailbox_wake_fn *wake, void *wake_arg)
{
	size_t prefetch = (size_t)c->setup->config->rabbitmq.prefetch;

	c->acks = acks_new(prefetch);
	c->in = mailbox_new(OPS_MAX + EVENTS_MAX, link_wake, &c->link);
	c->settled = mailbox_new(prefetch, link_wake, &c->link);
	c->out = mailbox_new(prefetch + OPS_MAX + EVENTS_MAX, wake, wake_arg);
	return c->acks && c->in && c->settled && c->out;
}

static void free_parts(struct consumer *c)
{
	acks_free(c->acks);
	mailbox_free(c->in);
	mailbox_free(c->settled);
	mailbox_free(c->out);
	link_deinit(&c->link);
	free(c);
}

int consumer_new(const struct setup *setup, mailbox_wake_fn *wake, void *wake_arg, struct consumer **consumerp)
{
	struct consumer *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->setup = setup;
	c->counters = setup->counters;
	c->consuming = event_of(EVENT_CONSUMING);
	c->begin = event_of(EVENT_BEGIN);
	c->lost = event_of(EVENT_LOST);
	c->fatal_event = event_of(EVENT_FATAL);
	int rc = link_init(&c->link, &setup->config->rabbitmq, "consumer", setup->node_id, &c->counters->consumer);
	if (rc != 0) {
		free(c);
		return rc;
	}
	rc = make_mailboxes(c, wake, wake_arg) ? worker_start(&c->worker, &c->link, run, c) : -ENOMEM;
	if (rc != 0) {
		free_parts(c);
		return rc;
	}
	*consumerp = c;
	return 0;
}

void consumer_stop(struct consumer *c)
{
	link_stop(&c->link);
}

struct consumer *consumer_free(struct consumer *c)
{
	void *item;

	if (!c)
		return NULL;
	worker_join(&c->worker);
	drop_settled(c);
	while (mailbox_pop(c->out, &item, 1) == 1) {
		struct mail *mail = item;
		if (mail->kind == MAIL_DELIVERY)
			delivery_free(item);
	}
	free_parts(c);
	return NULL;
}

void consumer_send(struct consumer *c, struct mail *mail)
{
	mail_send(c->in, mail);
}

void consumer_settle(struct consumer *c, struct delivery *d)
{
	mail_send(c->settled, &d->mail);
}

size_t consumer_take(struct consumer *c, void **mail, size_t max)
{
	return mailbox_pop(c->out, mail, max);
}

bool consumer_has_mail(const struct consumer *c)
{
	return !mailbox_empty(c->out);
}

void consumer_interrupt(struct consumer *c)
{
	link_interrupt(&c->link);
}
