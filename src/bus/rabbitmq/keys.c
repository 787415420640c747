/* What is bound to the node's queue: binds and unbinds of core's, and of the node's own keys, answered in order on a
 * channel of their own. */
#include <errno.h>
#include <stdio.h>

#include "bus/rabbitmq/consumer_state.h"

static void answer(struct consumer *c, struct op *op, enum bus_bind_result result)
{
	consumer_push_batch(c);
	op->result = result;
	mail_send(c->out, &op->mail);
}

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

void keys_bind_anew(struct consumer *c)
{
	takeover_nothing_bound(c);
	bind_node_keys(c);
}

void keys_unbind_unsure(struct consumer *c)
{
	for (size_t i = 0; i < c->n_unsure; i++)
		ops_push(&c->ops, &c->unsure[i]);
	c->own_ops_open += c->n_unsure;
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

int keys_send(struct consumer *c)
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
	if (!c->ops.head)
		return -ECONNABORTED; /* nothing was asked */
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

int keys_on_frame(struct consumer *c, const amqp_frame_t *frame)
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

void keys_lose(struct consumer *c)
{
	for (struct op *op = ops_pop(&c->ops); op; op = ops_pop(&c->ops))
		if (!op->internal)
			answer(c, op, BUS_BIND_LOST);
	c->own_ops_open = 0;
}
