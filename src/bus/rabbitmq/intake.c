#include "bus/rabbitmq/intake.h"

#include <errno.h>

#include "base/clock.h"
#include "bus/rabbitmq/consumer_state.h"

int intake_init(struct intake *in, struct consumer *c, amqp_channel_t channel, size_t prefetch)
{
	*in = (struct intake){.consumer = c, .channel = channel, .acks = acks_new(prefetch)};
	return in->acks ? 0 : -ENOMEM;
}

void intake_deinit(struct intake *in)
{
	acks_free(in->acks);
	incoming_done(&in->incoming);
}

void intake_give_back(struct intake *in)
{
	in->run++;
	acks_reset(in->acks);
	in->barrier = (struct barrier){0};
}

void intake_channel_lost(struct intake *in)
{
	intake_give_back(in);
	incoming_done(&in->incoming);
}

void intake_link_lost(struct intake *in)
{
	intake_channel_lost(in);
	in->lent = 0;
}

/* It cannot be taken in, or not handed over: the broker moves it to where expired messages go. */
static int reject(struct intake *in, uint64_t tag)
{
	struct link *link = &in->consumer->link;

	acks_forget(in->acks, tag);
	return link_status(link, "rejecting", amqp_basic_reject(link->conn, in->channel, tag, 0));
}

static bool reaped(const struct intake *in)
{
	return in == &in->consumer->reaper.intake;
}

/* Of a channel that is being closed: what comes on it goes back to the queue by itself. */
static bool left(const struct intake *in)
{
	return reaped(in) && !reaper_takes(in->consumer);
}

static int count_delivery(struct intake *in, const amqp_basic_deliver_t *method)
{
	struct consumer *c = in->consumer;

	counter_add(&c->counters->deliveries, 1);
	counter_add(&c->counters->redelivered, method->redelivered != 0);
	if (acks_delivered(in->acks, method->delivery_tag) != 0)
		return link_fail(&c->link, "more deliveries than the prefetch allows");
	return 0;
}

/* What the node holds at once is bounded by prefetch times max_body. */
static int on_too_large(struct intake *in)
{
	struct consumer *c = in->consumer;
	const amqp_basic_deliver_t *method = in->incoming.method;
	int rc = count_delivery(in, method);

	if (rc != 0)
		return rc;
	counter_add(&c->counters->dropped_size, 1);
	log_limited(&c->too_large_limit, clock_mono_ms(), LOG_LEVEL_WARN, "bus.too_large",
	            "exchange=%s key=%s bytes=%zu hint=\"above bus.rabbitmq.max_body; it becomes a dead letter\"",
	            LOG_QUOTED(amqp_str(method->exchange)), LOG_QUOTED(amqp_str(method->routing_key)),
	            in->incoming.missing);
	return reject(in, method->delivery_tag);
}

static void lend(struct intake *in, struct delivery *d, bool leftover)
{
	struct consumer *c = in->consumer;

	d->life = c->life;
	d->intake = in;
	d->run = in->run;
	d->leftover = leftover;
	d->reaped = reaped(in);
	in->lent++;
	c->batch[c->batch_n++] = d;
}

static int on_delivery(struct intake *in)
{
	struct consumer *c = in->consumer;
	const amqp_basic_deliver_t *method = in->incoming.method;
	bool leftover = reaped(in) || c->phase != PHASE_SERVING;
	uint64_t tag = method->delivery_tag;
	struct delivery *d = NULL;

	int counted = count_delivery(in, method);
	if (counted != 0)
		return counted;
	int rc = in->incoming.no_memory ? -ENOMEM : delivery_new(c->setup, &in->incoming, c->now, &d);
	if (rc == DELIVERY_E_HELLO && !reaped(in))
		reaper_on_hello(c, &in->incoming);
	incoming_done(&in->incoming);
	c->reset.leftovers += leftover;
	if (rc == DELIVERY_E_DROP || rc == DELIVERY_E_HELLO) {
		acks_settle(in->acks, tag);
		return 0;
	}
	if (rc != 0) {
		counter_add(&c->counters->dropped_memory, 1);
		return reject(in, tag);
	}
	if (reaped(in))
		reaper_on_delivery(c, d);
	lend(in, d, leftover);
	return 0;
}

int intake_frame(struct intake *in, const amqp_frame_t *frame)
{
	struct consumer *c = in->consumer;
	int rc = incoming_frame(&in->incoming, frame, (uint64_t)c->setup->config->rabbitmq.max_body);

	if (rc < 0)
		return link_fail(&c->link, "frames in an order that makes no message");
	if (rc == INCOMING_TOO_LARGE)
		return left(in) ? 0 : on_too_large(in);
	if (rc == INCOMING_COMPLETE && left(in))
		incoming_done(&in->incoming);
	else if (rc == INCOMING_COMPLETE)
		return on_delivery(in);
	return 0;
}

int intake_settle(struct intake *in, const struct delivery *d)
{
	if (d->life != in->consumer->life)
		return 0;
	in->lent--;
	if (reaped(in))
		reaper_on_settled(in->consumer);
	if (d->run != in->run)
		return 0;
	if (d->rejected)
		return reject(in, d->tag);
	acks_settle(in->acks, d->tag);
	in->barrier.acknowledged++;
	return 0;
}

static int send_ack(void *arg, uint64_t tag, bool multiple)
{
	struct intake *in = arg;
	struct link *link = &in->consumer->link;

	counter_add(&in->consumer->counters->acks, 1);
	return link_status(link, "acknowledging", amqp_basic_ack(link->conn, in->channel, tag, multiple));
}

int intake_flush(struct intake *in)
{
	return acks_flush(in->acks, send_ack, in);
}

int intake_ask_barrier(struct intake *in)
{
	struct link *link = &in->consumer->link;
	amqp_channel_flow_t flow = {.active = 1};
	uint64_t now = clock_mono_ms();

	if (!barrier_due(&in->barrier, now))
		return 0;
	barrier_asked(&in->barrier, now);
	return link_status(link, "asking for acknowledgements",
	                   amqp_send_method(link->conn, in->channel, AMQP_CHANNEL_FLOW_METHOD, &flow));
}

bool intake_has_settled(const struct intake *in)
{
	return acks_waiting(in->acks);
}

size_t intake_outstanding(const struct intake *in)
{
	return acks_outstanding(in->acks);
}

bool intake_half_full(const struct intake *in)
{
	return acks_outstanding(in->acks) >= (acks_capacity(in->acks) + 1) / 2;
}

bool intake_empty(const struct intake *in)
{
	return acks_outstanding(in->acks) == 0 && !incoming_busy(&in->incoming);
}
