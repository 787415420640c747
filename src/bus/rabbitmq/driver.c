/* The RabbitMQ driver on the loop thread: what core calls, and the mail from the two links. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "bus/rabbitmq/delivery.h"
#include "bus/rabbitmq/driver_state.h"

#define TURN_MAX 256
#define TURN_MAX_US 2000

/* --- mail --------------------------------------------------------------------------------------------------------- */

static void on_op(struct rabbitmq *r, struct op *op)
{
	struct key key = op->key;

	op->next = r->free_ops;
	r->free_ops = op;
	r->ops_out--;
	bus_up_bound(r->bus, &key, op->result);
}

static void on_publication_letter(struct rabbitmq *r, struct letter *letter)
{
	static const enum bus_publish_result results[] = {
	    [LETTER_CONFIRMED] = BUS_CONFIRMED,
	    [LETTER_RETURNED] = BUS_UNROUTED,
	    [LETTER_REFUSED] = BUS_FAILED,
	    [LETTER_LOST] = BUS_FAILED,
	};
	struct bus_publication *publication = letter->publication;
	enum bus_publish_result result = results[letter->result];

	letter->publication = NULL;
	letter->next = r->free_letters;
	r->free_letters = letter;
	r->publications_out--;
	bus_up_published(r->bus, publication, result);
}

static void on_letter(struct rabbitmq *r, struct letter *letter)
{
	switch (letter->kind) {
	case LETTER_PUBLICATION:
		on_publication_letter(r, letter);
		break;
	case LETTER_STRAY:
		held_on_stray_letter(r, letter);
		break;
	case LETTER_LOOPBACK:
		status_on_check_letter(r);
		break;
	case LETTER_HELLO:
		hello_on_letter(r);
		break;
	}
}

static void on_restored(struct rabbitmq *r, struct event *event)
{
	for (size_t i = 0; i < event->n_keys; i++)
		bus_up_restored(r->bus, &event->keys[i]);
	free(event->keys);
	event->keys = NULL;
	status_bindings(r, BUS_BINDINGS_UNSURE);
}

static void on_consumer_event(struct rabbitmq *r, struct event *event)
{
	switch (event->kind) {
	case EVENT_BEGIN:
		r->life = event->life;
		r->held_n = 0;
		r->consumer_link = CONSUMER_BEGUN;
		break;
	case EVENT_RESTORED:
		on_restored(r, event);
		break;
	case EVENT_CONSUMING:
		memcpy(r->loopback_key, event->text, sizeof(r->loopback_key));
		hello_on_serving(r, event->queue, event->text);
		r->consumer_link = CONSUMER_CONSUMING;
		if (event->flag)
			status_bindings(r, BUS_BINDINGS_LOST);
		r->check = CHECK_DUE;
		break;
	case EVENT_LOST:
		r->consumer_link = CONSUMER_LOST;
		r->check = CHECK_NONE;
		status_bindings(r, BUS_BINDINGS_UNSURE);
		held_lost(r, event->taken);
		status_link_lost(r);
		consumer_send(r->consumer, &event->mail);
		break;
	case EVENT_FATAL:
		held_flush(r);
		bus_up_fatal(r->bus, event->text);
		r->over = true;
		break;
	default:
		GRID_ASSERT(event->kind == EVENT_LOST); /* no other comes from the consumer */
	}
}

static void on_publisher_event(struct rabbitmq *r, struct event *event)
{
	switch (event->kind) {
	case EVENT_UP:
		r->publisher_link = PUBLISHER_UP;
		hello_on_up(r);
		break;
	case EVENT_BLOCKED:
		if (r->publisher_link != PUBLISHER_LOST)
			r->publisher_link = event->flag ? PUBLISHER_BLOCKED : PUBLISHER_UP;
		publisher_send(r->publisher, &event->mail);
		break;
	case EVENT_LOST:
		r->publisher_link = PUBLISHER_LOST;
		status_link_lost(r);
		publisher_send(r->publisher, &event->mail);
		break;
	default:
		GRID_ASSERT(event->kind == EVENT_LOST); /* no other comes from the publisher */
	}
}

static void on_consumer_mail(struct rabbitmq *r, struct mail *mail)
{
	if (mail->kind == MAIL_DELIVERY) {
		held_on_delivery(r, (struct delivery *)(void *)mail);
		return;
	}
	held_flush(r);
	if (mail->kind == MAIL_OP) {
		on_op(r, (struct op *)(void *)mail);
	} else {
		on_consumer_event(r, (struct event *)(void *)mail);
		status_advance(r);
	}
}

static void on_publisher_mail(struct rabbitmq *r, struct mail *mail)
{
	if (mail->kind == MAIL_LETTER) {
		on_letter(r, (struct letter *)(void *)mail);
	} else {
		on_publisher_event(r, (struct event *)(void *)mail);
		status_advance(r);
	}
}

static size_t take_part(struct rabbitmq *r)
{
	void *mail[TURN_PART];
	size_t from_consumer = consumer_take(r->consumer, mail, TURN_PART);

	for (size_t i = 0; i < from_consumer; i++)
		on_consumer_mail(r, mail[i]);
	held_flush(r);
	size_t from_publisher = publisher_take(r->publisher, mail, TURN_PART);
	for (size_t i = 0; i < from_publisher; i++)
		on_publisher_mail(r, mail[i]);
	return from_consumer + from_publisher;
}

/* When a part was full. */
static void take_more(struct rabbitmq *r, size_t taken)
{
	uint64_t until_us = clock_mono_us() + TURN_MAX_US;
	size_t n = taken;

	while (n >= TURN_PART && taken < TURN_MAX && clock_mono_us() < until_us) {
		n = take_part(r);
		taken += n;
	}
}

static bool rabbitmq_turn(void *impl, uint64_t now_ms)
{
	struct rabbitmq *r = impl;

	r->now_ms = now_ms;
	consumer_turn(r->consumer, now_ms);
	publisher_turn(r->publisher, now_ms);
	size_t taken = take_part(r);
	if (taken >= TURN_PART)
		take_more(r, taken);
	status_advance(r);
	hello_advance(r);
	return consumer_has_mail(r->consumer) || publisher_has_mail(r->publisher);
}

/* --- what core calls ---------------------------------------------------------------------------------------------- */

static bool takes_more_ops(struct rabbitmq *r)
{
	if (!r->free_ops)
		r->ops_full = true;
	else if (r->ops_out <= OPS_MAX - OPS_REFILL)
		r->ops_full = false;
	return !r->ops_full;
}

static int send_op(struct rabbitmq *r, const struct key *key, bool unbind)
{
	if (!status_takes_binds(r))
		return BUS_E_UNAVAILABLE;
	if (!takes_more_ops(r))
		return BUS_E_BUSY;
	struct op *op = r->free_ops;
	r->free_ops = op->next;
	*op = (struct op){.mail.kind = MAIL_OP, .unbind = unbind, .exchange = topology_key_exchange(key), .key = *key};
	topology_binding_key(key, op->routing_key);
	r->ops_out++;
	consumer_send(r->consumer, &op->mail);
	return 0;
}

static int rabbitmq_bind(void *impl, const struct key *key)
{
	return send_op(impl, key, false);
}

static int rabbitmq_unbind(void *impl, const struct key *key)
{
	return send_op(impl, key, true);
}

static int rabbitmq_publish(void *impl, struct bus_publication *publication)
{
	struct rabbitmq *r = impl;
	struct letter *letter = r->free_letters;

	if (!status_takes_publications(r))
		return BUS_E_UNAVAILABLE;
	if (!letter)
		return BUS_E_BUSY;
	r->free_letters = letter->next;
	*letter = (struct letter){.mail.kind = MAIL_LETTER,
	                          .kind = LETTER_PUBLICATION,
	                          .handed_over = publication->reach == BUS_TO_ABSENT,
	                          .publication = publication};
	r->publications_out++;
	publisher_send(r->publisher, &letter->mail);
	return 0;
}

static void rabbitmq_settle(void *impl, struct bus_delivery *delivery, enum bus_settle_how how)
{
	held_settle(impl, delivery_of(delivery), how);
}

/* --- open, close -------------------------------------------------------------------------------------------------- */

static bool make_pools(struct rabbitmq *r)
{
	size_t window = (size_t)r->setup.config->publish_window;

	r->redelivery = redelivery_new((size_t)r->setup.config->rabbitmq.prefetch);
	r->ops = calloc(OPS_MAX, sizeof(*r->ops));
	r->letters = calloc(window, sizeof(*r->letters));
	if (!r->redelivery || !r->ops || !r->letters)
		return false;
	for (size_t i = 0; i < OPS_MAX; i++) {
		r->ops[i].next = r->free_ops;
		r->free_ops = &r->ops[i];
	}
	for (size_t i = 0; i < window; i++) {
		r->letters[i].next = r->free_letters;
		r->free_letters = &r->letters[i];
	}
	return true;
}

static int make_key(struct siphash_key *key)
{
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -errno;
	*key = siphash_key_from(bytes);
	return 0;
}

/* Both are asked to stop before either is waited for. */
static void rabbitmq_close(void *impl)
{
	struct rabbitmq *r = impl;

	if (r->publisher)
		publisher_stop(r->publisher);
	if (r->consumer)
		consumer_stop(r->consumer);
	publisher_free(r->publisher);
	consumer_free(r->consumer);
	held_free(r);
	redelivery_free(r->redelivery);
	for (size_t i = 0; r->letters && i < (size_t)r->setup.config->publish_window; i++)
		bus_publication_free(r->letters[i].publication);
	free(r->letters);
	free(r->ops);
	topology_deinit(&r->setup.topology);
	free(r->setup.node_id);
	free(r->setup.epoch);
	free(r->setup.state_dir);
	metrics_remove(r->metrics, &r->metric_set);
	free(r);
}

static int rabbitmq_open(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp)
{
	struct rabbitmq *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->bus = bus;
	r->state = BUS_DOWN;
	r->setup.config = config;
	r->setup.counters = &r->counters;
	r->setup.identity_key = env->identity_key;
	r->rebind = (struct event){.mail.kind = MAIL_EVENT, .kind = EVENT_REBIND};
	r->metrics = env->metrics;
	strays_init(&r->strays, (size_t)config->rabbitmq.prefetch);
	rabbitmq_counters_add(env->metrics, &r->metric_set, &r->counters);
	r->setup.node_id = strdup(env->node_id);
	r->setup.epoch = strdup(env->epoch);
	r->setup.state_dir = strdup(env->state_dir);
	r->check_letter.check =
	    clock_unix_ms() * 1000; /* no number of an earlier life, whose last one may still lie there */
	int rc = topology_init(&r->setup.topology, config->prefix, env->node_id);
	if (rc == 0 && (!r->setup.node_id || !r->setup.epoch || !r->setup.state_dir || !make_pools(r)))
		rc = -ENOMEM;
	if (rc == 0)
		rc = make_key(&r->setup.fingerprint_key);
	if (rc == 0)
		rc = consumer_new(&r->setup, env, &r->consumer);
	if (rc == 0)
		rc = publisher_new(&r->setup, env, &r->publisher);
	if (rc != 0) {
		rabbitmq_close(r);
		return rc;
	}
	*implp = r;
	return 0;
}

const struct bus_driver bus_rabbitmq_driver = {
    .name = "rabbitmq",
    .open = rabbitmq_open,
    .close = rabbitmq_close,
    .bind = rabbitmq_bind,
    .unbind = rabbitmq_unbind,
    .publish = rabbitmq_publish,
    .settle = rabbitmq_settle,
    .turn = rabbitmq_turn,
};
