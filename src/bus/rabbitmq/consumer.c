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
#define EVENTS_MAX 5     /* of one life, plus the last one's */
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
	const char *const keys[NODE_KEYS] = {t->node_key, "all", c->consuming.text};

	for (size_t i = 0; i < NODE_KEYS; i++) {
		struct op *op = &c->node_ops[i];
		*op = (struct op){.mail.kind = MAIL_OP, .internal = true, .exchange = EXCHANGE_NODES};
		snprintf(op->routing_key, sizeof(op->routing_key), "%s", keys[i]);
		ops_push(&c->ops, op);
	}
	c->own_ops_open += NODE_KEYS;
}

/* To a queue that has nothing of ours bound. */
static void bind_anew(struct consumer *c)
{
	takeover_nothing_bound(c);
	bind_node_keys(c);
}

/* Keys that may be bound or not are unbound: who wants one binds it. */
static void unbind_unsure(struct consumer *c)
{
	for (size_t i = 0; i < c->n_unsure; i++)
		ops_push(&c->ops, &c->unsure[i]);
	c->own_ops_open += c->n_unsure;
}

void consumer_serve(struct consumer *c, bool fresh)
{
	c->phase = PHASE_SERVING;
	c->owned = c->served = true;
	link_in_use(&c->link);
	GRID_ASSERT(c->own_ops_open == 0);
	c->consuming.flag = fresh;
	snprintf(c->consuming.text, sizeof(c->consuming.text), "%s.%s", c->setup->topology.node_key, c->ours.epoch);
	snprintf(c->consuming.queue, sizeof(c->consuming.queue), "%s", c->ours.queue);
	if (fresh)
		bind_anew(c);
	else
		unbind_unsure(c);
	if (c->own_ops_open == 0)
		consumer_tell(c, &c->consuming);
}

static int send_op(struct consumer *c, const struct op *op)
{
	const struct topology *t = &c->setup->topology;
	amqp_bytes_t queue = amqp_from_text(c->ours.queue);
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

/* Written down before it is sent, so that the journal never knows less than the broker. */
static void journal_ops(struct consumer *c)
{
	for (const struct op *op = c->ops.unsent; op; op = op->next)
		if (!op->internal)
			journal_add(c->journal, op->unbind ? JOURNAL_UNBINDING : JOURNAL_BINDING, &op->key);
	journal_flush(c->journal);
}

static int send_ops(struct consumer *c)
{
	int rc = 0;

	journal_ops(c);
	if (!c->ops.unsent)
		return 0;
	link_cork(&c->link, true);
	for (struct op *op = ops_send(&c->ops); op && rc == 0; op = ops_send(&c->ops))
		rc = send_op(c, op);
	link_cork(&c->link, false);
	return rc;
}

static void own_op_done(struct consumer *c)
{
	if (--c->own_ops_open > 0)
		return;
	c->n_unsure = 0;
	consumer_tell(c, &c->consuming);
}

static int on_op_answered(struct consumer *c, bool unbind)
{
	struct op *op = ops_answer(&c->ops);

	if (!op || op->unbind != unbind)
		return link_fail(&c->link, "an answer to a bind that was not asked for");
	if (op->key.len)
		journal_add(c->journal, unbind ? JOURNAL_UNBOUND : JOURNAL_BOUND, &op->key);
	if (op->internal)
		own_op_done(c);
	else
		answer(c, op, BUS_BIND_OK);
	return 0;
}

static void on_op_refused(struct consumer *c, struct op *op)
{
	if (op->internal) {
		own_op_done(c);
		return;
	}
	answer(c, op, BUS_BIND_REFUSED); /* it may be bound from before: the journal's last word on it stays */
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
	if (op && op->internal && !op->unbind)
		return link_fail(&c->link, "binding %s to exchange %s: refused", op->routing_key,
		                 c->setup->topology.exchanges[op->exchange]);
	if (op) {
		counter_add(&c->counters->binds_refused, 1);
		on_op_refused(c, op);
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

/* --- frames ------------------------------------------------------------------------------------------------------- */

static int on_deliveries_frame(struct consumer *c, const amqp_frame_t *frame)
{
	if (frame->frame_type != AMQP_FRAME_METHOD || frame->payload.method.id == AMQP_BASIC_DELIVER_METHOD)
		return intake_frame(&c->own, frame);
	switch (frame->payload.method.id) {
	case AMQP_BASIC_CANCEL_METHOD:
		return link_fail(&c->link, "the broker cancelled our consumer: the queue was deleted or moved");
	case AMQP_BASIC_CANCEL_OK_METHOD:
		c->cancelled = true;
		return 0;
	case AMQP_CHANNEL_FLOW_OK_METHOD:
		return barrier_answered(&c->own.barrier) ? 0
		                                         : link_fail(&c->link, "an answer to a question that was not asked");
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
	case CHANNEL_REAP:
		return reaper_frame(c, frame);
	default:
		return reset_on_frame(c, frame);
	}
}

/* Unless a message that is not complete yet lies in them. */
static void release_buffers(struct consumer *c)
{
	if (!incoming_busy(&c->own.incoming) && !incoming_busy(&c->reaper.intake.incoming))
		link_release(&c->link);
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
		if (++since_release % RELEASE_EVERY == 0)
			release_buffers(c);
	}
	return 0;
}

/* --- mail from the loop ------------------------------------------------------------------------------------------- */

static int take_settled(struct consumer *c)
{
	void *items[CONSUMER_BATCH];
	size_t n;
	int rc = 0;

	while (rc == 0 && (n = mailbox_pop(c->settled, items, CONSUMER_BATCH)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct delivery *d = items[i];
			if (rc == 0)
				rc = intake_settle(d->intake, d);
			delivery_free(d);
		}
	}
	if (rc == 0)
		rc = intake_flush(&c->own);
	if (rc == 0)
		rc = intake_flush(&c->reaper.intake);
	return rc ? rc : intake_ask_barrier(&c->own);
}

static int on_event(struct consumer *c, const struct event *event)
{
	if (event->kind != EVENT_REBIND)
		return 0;
	if (event->flag)
		return reset_distrust(c);
	c->consuming.flag = true;
	bind_anew(c);
	return 0;
}

static int take_mail(struct consumer *c)
{
	void *items[CONSUMER_BATCH];
	size_t n;
	int rc = 0;

	while ((n = mailbox_pop(c->in, items, CONSUMER_BATCH)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct mail *mail = items[i];
			if (mail->kind == MAIL_OP)
				ops_push(&c->ops, (struct op *)(void *)mail);
			else if (rc == 0)
				rc = on_event(c, (const struct event *)(const void *)mail);
		}
	}
	return rc ? rc : send_ops(c);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static uint64_t wait_ms(const struct consumer *c)
{
	uint64_t ms = c->phase == PHASE_SERVING ? reaper_wait_ms(c) : RESET_WAIT_MS;
	return barrier_needed(&c->own.barrier) && ms > BARRIER_MS ? BARRIER_MS : ms;
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
			rc = reset_step(c);
		if (rc == 0)
			rc = reaper_step(c);
		if (rc == 0)
			rc = take_mail(c); /* last: the step may have left binds to send */
		if (rc != 0)
			return rc;
		release_buffers(c);
		/* reset_step() may have read frames into the library. */
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
	c->own_ops_open = 0;
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
	if (c->told) {
		counter_add(&c->counters->consumer.losses, 1);
		log_warn("bus.lost", "link=consumer why=%s", LOG_QUOTED(str_from(c->link.why)));
		c->lost.taken = c->own.barrier.taken;
		mail_send(c->out, &c->lost.mail);
		wait_for_lost(c);
		c->told = false;
	}
	drop_settled(c);
	intake_link_lost(&c->own);
	reaper_link_lost(c);
}

/* The last thing: what is settled is acknowledged, so that the next life does not get it again. */
static void finish(struct consumer *c)
{
	push_batch(c);
	bool fine = c->link.conn && take_settled(c) == 0;
	link_close(&c->link, fine);
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

	int rc = intake_init(&c->own, c, CHANNEL_DELIVERIES, prefetch);
	if (rc == 0)
		rc = reaper_init(c);
	c->in = mailbox_new(OPS_MAX + EVENTS_MAX, link_wake, &c->link);
	c->settled = mailbox_new(prefetch + REAP_PREFETCH, link_wake, &c->link);
	c->out = mailbox_new(prefetch + REAP_PREFETCH + OPS_MAX + EVENTS_MAX, wake, wake_arg);
	return rc == 0 && c->in && c->settled && c->out;
}

static void free_parts(struct consumer *c)
{
	intake_deinit(&c->own);
	reaper_deinit(c);
	mailbox_free(c->in);
	mailbox_free(c->settled);
	mailbox_free(c->out);
	takeover_deinit(c);
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
	c->restored = event_of(EVENT_RESTORED);
	c->lost = event_of(EVENT_LOST);
	c->fatal_event = event_of(EVENT_FATAL);
	int rc = link_init(&c->link, &setup->config->rabbitmq, "consumer", setup->node_id, &c->counters->consumer);
	if (rc != 0) {
		free(c);
		return rc;
	}
	rc = make_mailboxes(c, wake, wake_arg) ? takeover_init(c) : -ENOMEM;
	if (rc == 0)
		rc = worker_start(&c->worker, &c->link, run, c);
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
