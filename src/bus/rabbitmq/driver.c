/* The RabbitMQ driver on the loop thread: what core calls, what core is told, and when the bus is up.
 *
 *   consumer  LOST ──begin──▶ BEGUN ──consuming──▶ CONSUMING ──┐
 *   publisher LOST ──up──▶ UP ◀──▶ BLOCKED ────────────────────┤
 *   check     NONE ──▶ DUE ──▶ SENT ──came back──▶ PASSED ─────┴──▶ BUS_UP, BUS_BLOCKED
 *                       ▲       │
 *                       └──REBINDING (it was returned: our bindings are gone)
 *
 * The check is a message to ourselves over a key that only this life of the node has bound. It proves that the queue,
 * its bindings and the consumer are what they were before the link was lost.
 *
 * Down is told in two steps: from the moment a link is lost nothing new is taken, and when everything under way has its
 * outcome, core hears of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "bus/bus.h"
#include "bus/rabbitmq/consumer.h"
#include "bus/rabbitmq/delivery.h"
#include "bus/rabbitmq/letters.h"
#include "bus/rabbitmq/mail.h"
#include "bus/rabbitmq/publisher.h"
#include "bus/rabbitmq/setup.h"

#define TURN_MAX 256
#define TURN_MAX_US 2000
#define TURN_PART 64        /* mail taken between two looks at the time */
#define CHECK_MS 10000      /* without any progress: then the consumer's link is not what it seems */
#define GOING_DOWN_MS 1000  /* how long the link that is left may take to finish what is under way */
#define STRAY_RETRY_MS 1000 /* after the broker refused one */

enum consumer_link { CONSUMER_LOST, CONSUMER_BEGUN, CONSUMER_CONSUMING };
enum publisher_link { PUBLISHER_LOST, PUBLISHER_UP, PUBLISHER_BLOCKED };
enum check { CHECK_NONE, CHECK_DUE, CHECK_SENT, CHECK_REBINDING, CHECK_PASSED };

struct rabbitmq {
	struct bus *bus;
	struct setup setup;
	struct rabbitmq_counters counters;
	struct metric_registry *metrics;
	struct metric_set metric_set;
	struct consumer *consumer;
	struct publisher *publisher;

	enum bus_state state; /* what core has been told */
	bool going_down;
	uint64_t going_down_since_ms;
	bool over; /* fatal: nothing more is told */
	enum consumer_link consumer_link;
	enum publisher_link publisher_link;
	unsigned life; /* of the consumer's link: tags of others mean nothing */
	bool bindings_lost;
	uint64_t now_ms;

	enum check check;
	struct letter check_letter;
	bool check_letter_out;
	uint64_t check_deadline_ms;
	struct event rebind;

	struct op *ops; /* OPS_MAX, the free ones in a list */
	struct op *free_ops;
	size_t ops_out;
	struct letter *letters; /* publish_window, the free ones in a list */
	struct letter *free_letters;
	size_t publications_out;

	struct delivery *held; /* all deliveries that are with core, with us, or with the publisher */
	size_t held_n;         /* of this life */
	struct log_limit unplaced_limit;
	struct letters strays; /* waiting for the publisher */
	size_t strays_out;
	uint64_t strays_retry_ms;

	struct bus_delivery *batch[TURN_PART];
	size_t batch_n;
};

/* --- state -------------------------------------------------------------------------------------------------------- */

static enum bus_state state_of_links(const struct rabbitmq *r)
{
	if (r->consumer_link != CONSUMER_CONSUMING || r->publisher_link == PUBLISHER_LOST || r->check != CHECK_PASSED)
		return BUS_DOWN;
	return r->publisher_link == PUBLISHER_BLOCKED ? BUS_BLOCKED : BUS_UP;
}

static void set_state(struct rabbitmq *r, enum bus_state state)
{
	bool lost = r->bindings_lost;

	r->state = state;
	if (state != BUS_DOWN)
		r->bindings_lost = false;
	bus_up_state(r->bus, state, state != BUS_DOWN && lost);
}

static void begin_going_down(struct rabbitmq *r)
{
	if (r->state == BUS_DOWN || r->going_down)
		return;
	r->going_down = true;
	r->going_down_since_ms = r->now_ms;
}

/* What is under way on the link that is left is answered in milliseconds, or never: then that link goes too. */
static void go_down(struct rabbitmq *r)
{
	if (r->ops_out == 0 && r->publications_out == 0) {
		r->going_down = false;
		set_state(r, BUS_DOWN);
	} else if (r->now_ms - r->going_down_since_ms >= GOING_DOWN_MS) {
		r->going_down_since_ms = r->now_ms;
		if (r->ops_out)
			consumer_interrupt(r->consumer);
		if (r->publications_out)
			publisher_interrupt(r->publisher);
	}
}

/* --- the check ---------------------------------------------------------------------------------------------------- */

static void send_check(struct rabbitmq *r)
{
	r->check = CHECK_SENT;
	r->check_deadline_ms = r->now_ms + CHECK_MS;
	r->check_letter.kind = LETTER_LOOPBACK;
	r->check_letter.mail.kind = MAIL_LETTER;
	r->check_letter.check++;
	r->check_letter_out = true;
	counter_add(&r->counters.checks, 1);
	publisher_send(r->publisher, &r->check_letter.mail);
}

static void check_passed(struct rabbitmq *r)
{
	if (r->check == CHECK_SENT)
		r->check = CHECK_PASSED;
}

static void on_check_letter(struct rabbitmq *r)
{
	r->check_letter_out = false;
	if (r->check != CHECK_SENT)
		return;
	switch (r->check_letter.result) {
	case LETTER_RETURNED:
		counter_add(&r->counters.checks_returned, 1);
		r->check = CHECK_REBINDING;
		r->check_deadline_ms = r->now_ms + CHECK_MS;
		consumer_send(r->consumer, &r->rebind.mail);
		break;
	case LETTER_LOST:
		r->check = CHECK_DUE;
		break;
	case LETTER_CONFIRMED: /* it is on its way */
	case LETTER_REFUSED:   /* the deadline will tell */
		break;
	}
}

/* Does something move? Then the check is not late, only behind what was waiting in the queue. */
static void check_progress(struct rabbitmq *r)
{
	r->check_deadline_ms = r->now_ms + CHECK_MS;
}

static void step_check(struct rabbitmq *r)
{
	if (r->check == CHECK_NONE || r->check == CHECK_PASSED || r->publisher_link == PUBLISHER_LOST)
		return;
	if (r->publisher_link == PUBLISHER_BLOCKED) {
		/* It cannot be sent now, and deliveries need not wait for that: bind everything anew, which does no harm. */
		if (r->check != CHECK_REBINDING) {
			r->check = CHECK_PASSED;
			r->bindings_lost = true;
		}
		return;
	}
	if (r->check == CHECK_DUE && !r->check_letter_out)
		send_check(r);
	/* With the prefetch used up it is we who hold it back. */
	if (r->held_n >= (size_t)r->setup.config->rabbitmq.prefetch)
		check_progress(r);
	if (r->now_ms < r->check_deadline_ms || r->check == CHECK_DUE)
		return;
	counter_add(&r->counters.checks_timed_out, 1);
	log_warn("bus.check_timed_out", "node=%s hint=\"a message to ourselves did not come back: connecting again\"",
	         r->setup.node_id);
	check_progress(r);
	consumer_interrupt(r->consumer);
}

/* --- deliveries --------------------------------------------------------------------------------------------------- */

/* Done with it: acknowledged, if its link still is the one it came by. */
static void settle(struct rabbitmq *r, struct delivery *d)
{
	DL_DELETE(r->held, d);
	delivery_strip(d);
	if (d->life != r->life || r->consumer_link == CONSUMER_LOST) {
		counter_add(&r->counters.stale, 1);
		delivery_free(d);
		return;
	}
	r->held_n--;
	consumer_settle(r->consumer, d);
}

static size_t first_user(const struct bus_delivery *d)
{
	size_t i = 0;
	while (i < d->n_targets && d->targets[i].key.kind != KEY_USER)
		i++;
	return i;
}

static void make_stray(struct rabbitmq *r, struct delivery *d)
{
	if (!d->keep) {
		settle(r, d);
		return;
	}
	d->letter.target = first_user(&d->bus);
	counter_add(&r->counters.strays, 1);
	counter_add(&r->counters.strays_waiting, 1);
	letters_push(&r->strays, &d->letter);
}

static void end_stray(struct rabbitmq *r, struct delivery *d)
{
	counter_sub(&r->counters.strays_waiting, 1);
	settle(r, d);
}

static void on_stray_letter(struct rabbitmq *r, struct letter *letter)
{
	struct delivery *d = letter->delivery;

	r->strays_out--;
	switch (letter->result) {
	case LETTER_CONFIRMED:
		end_stray(r, d);
		return;
	case LETTER_RETURNED:
		counter_add(&r->counters.strays_unplaced, 1);
		log_limited(
		    &(struct log_limit){0}, r->now_ms, LOG_LEVEL_ERROR, "bus.no_offline_queue",
		    "exchange=%s hint=\"no queue is bound there, messages for absent users are lost: run scripts/provision\"",
		    r->setup.topology.exchanges[EXCHANGE_UNROUTED]);
		end_stray(r, d);
		return;
	case LETTER_REFUSED:
		r->strays_retry_ms = r->now_ms + STRAY_RETRY_MS;
		break;
	case LETTER_LOST:
		break;
	}
	letters_push(&r->strays, letter);
}

static void send_strays(struct rabbitmq *r)
{
	while (r->strays.head && r->strays_out < STRAYS_MAX && r->publisher_link == PUBLISHER_UP &&
	       r->now_ms >= r->strays_retry_ms) {
		struct letter *letter = letters_pop(&r->strays);
		if (letter->delivery->life != r->life || r->consumer_link == CONSUMER_LOST) {
			end_stray(r, letter->delivery); /* it comes again */
		} else {
			r->strays_out++;
			publisher_send(r->publisher, &letter->mail);
		}
	}
}

/* The link they came by is lost: they come again. */
static void drop_strays(struct rabbitmq *r)
{
	for (struct letter *letter = letters_pop(&r->strays); letter; letter = letters_pop(&r->strays))
		end_stray(r, letter->delivery);
}

static void flush_batch(struct rabbitmq *r)
{
	size_t n = r->batch_n;

	r->batch_n = 0;
	if (n && !r->over)
		bus_up_message(r->bus, r->batch, n);
}

static void on_delivery(struct rabbitmq *r, struct delivery *d)
{
	DL_APPEND(r->held, d);
	r->held_n++;
	check_progress(r);
	if (d->kind == DELIVERY_LOOPBACK) {
		if (d->check == r->check_letter.check)
			check_passed(r);
		settle(r, d);
	} else if (d->leftover || r->over) {
		make_stray(r, d);
	} else {
		r->batch[r->batch_n++] = &d->bus;
		if (r->batch_n == TURN_PART)
			flush_batch(r);
	}
}

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
		on_stray_letter(r, letter);
		break;
	case LETTER_LOOPBACK:
		on_check_letter(r);
		break;
	}
}

static void on_consumer_event(struct rabbitmq *r, struct event *event)
{
	switch (event->kind) {
	case EVENT_BEGIN:
		r->life = event->life;
		r->held_n = 0;
		r->consumer_link = CONSUMER_BEGUN;
		break;
	case EVENT_CONSUMING:
		r->consumer_link = CONSUMER_CONSUMING;
		r->bindings_lost = r->bindings_lost || event->flag;
		r->check = CHECK_DUE;
		break;
	case EVENT_LOST:
		r->consumer_link = CONSUMER_LOST;
		r->check = CHECK_NONE;
		drop_strays(r);
		begin_going_down(r);
		consumer_send(r->consumer, &event->mail);
		break;
	case EVENT_FATAL:
		flush_batch(r);
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
		break;
	case EVENT_BLOCKED:
		if (r->publisher_link != PUBLISHER_LOST)
			r->publisher_link = event->flag ? PUBLISHER_BLOCKED : PUBLISHER_UP;
		publisher_send(r->publisher, &event->mail);
		break;
	case EVENT_LOST:
		r->publisher_link = PUBLISHER_LOST;
		begin_going_down(r);
		publisher_send(r->publisher, &event->mail);
		break;
	default:
		GRID_ASSERT(event->kind == EVENT_LOST); /* no other comes from the publisher */
	}
}

/* After every event and every turn: what follows from how things stand. */
static void advance(struct rabbitmq *r)
{
	if (r->over)
		return;
	step_check(r);
	if (r->going_down)
		go_down(r);
	enum bus_state state = state_of_links(r);
	if (!r->going_down && state != r->state) {
		if (state == BUS_DOWN)
			begin_going_down(r);
		else
			set_state(r, state);
	}
	send_strays(r);
}

static void on_consumer_mail(struct rabbitmq *r, struct mail *mail)
{
	if (mail->kind == MAIL_DELIVERY) {
		on_delivery(r, (struct delivery *)(void *)mail);
		return;
	}
	flush_batch(r);
	if (mail->kind == MAIL_OP) {
		on_op(r, (struct op *)(void *)mail);
	} else {
		on_consumer_event(r, (struct event *)(void *)mail);
		advance(r);
	}
}

static void on_publisher_mail(struct rabbitmq *r, struct mail *mail)
{
	if (mail->kind == MAIL_LETTER) {
		on_letter(r, (struct letter *)(void *)mail);
	} else {
		on_publisher_event(r, (struct event *)(void *)mail);
		advance(r);
	}
}

static size_t take_part(struct rabbitmq *r)
{
	void *mail[TURN_PART];
	size_t from_consumer = consumer_take(r->consumer, mail, TURN_PART);

	for (size_t i = 0; i < from_consumer; i++)
		on_consumer_mail(r, mail[i]);
	flush_batch(r);
	size_t from_publisher = publisher_take(r->publisher, mail, TURN_PART);
	for (size_t i = 0; i < from_publisher; i++)
		on_publisher_mail(r, mail[i]);
	return from_consumer + from_publisher;
}

static bool rabbitmq_turn(void *impl, uint64_t now_ms)
{
	struct rabbitmq *r = impl;
	uint64_t until_us = clock_mono_us() + TURN_MAX_US;
	size_t taken = 0;

	r->now_ms = now_ms;
	while (taken < TURN_MAX) {
		size_t n = take_part(r);
		taken += n;
		if (n == 0 || clock_mono_us() >= until_us)
			break;
	}
	advance(r);
	return consumer_has_mail(r->consumer) || publisher_has_mail(r->publisher);
}

/* --- what core calls ---------------------------------------------------------------------------------------------- */

static int send_op(struct rabbitmq *r, const struct key *key, bool unbind)
{
	struct op *op = r->free_ops;

	if (r->state == BUS_DOWN || r->going_down || r->over)
		return BUS_E_UNAVAILABLE;
	if (!op)
		return BUS_E_BUSY;
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

	if (r->state != BUS_UP || r->going_down || r->over)
		return BUS_E_UNAVAILABLE;
	if (!letter)
		return BUS_E_BUSY;
	r->free_letters = letter->next;
	*letter = (struct letter){.mail.kind = MAIL_LETTER, .kind = LETTER_PUBLICATION, .publication = publication};
	r->publications_out++;
	publisher_send(r->publisher, &letter->mail);
	return 0;
}

static void rabbitmq_settle(void *impl, struct bus_delivery *delivery, enum bus_settle_how how)
{
	struct rabbitmq *r = impl;
	struct delivery *d = delivery_of(delivery);

	check_progress(r);
	if (how == BUS_STRAY) {
		make_stray(r, d);
		send_strays(r);
	} else {
		settle(r, d);
	}
}

/* --- open, close -------------------------------------------------------------------------------------------------- */

static bool make_pools(struct rabbitmq *r)
{
	size_t window = (size_t)r->setup.config->publish_window;

	r->ops = calloc(OPS_MAX, sizeof(*r->ops));
	r->letters = calloc(window, sizeof(*r->letters));
	if (!r->ops || !r->letters)
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

/* Both are asked to stop before either is waited for. */
static void rabbitmq_close(void *impl)
{
	struct rabbitmq *r = impl;
	struct delivery *d, *next;

	if (r->publisher)
		publisher_stop(r->publisher);
	if (r->consumer)
		consumer_stop(r->consumer);
	publisher_free(r->publisher);
	consumer_free(r->consumer);
	DL_FOREACH_SAFE(r->held, d, next) {
		DL_DELETE(r->held, d);
		delivery_free(d);
	}
	for (size_t i = 0; r->letters && i < (size_t)r->setup.config->publish_window; i++)
		bus_publication_free(r->letters[i].publication);
	free(r->letters);
	free(r->ops);
	topology_deinit(&r->setup.topology);
	free(r->setup.node_id);
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
	r->rebind = (struct event){.mail.kind = MAIL_EVENT, .kind = EVENT_REBIND};
	r->metrics = env->metrics;
	rabbitmq_counters_add(env->metrics, &r->metric_set, &r->counters);
	r->setup.node_id = strdup(env->node_id);
	int rc = topology_init(&r->setup.topology, config->prefix, env->node_id, env->epoch);
	if (rc == 0 && (!r->setup.node_id || !make_pools(r)))
		rc = -ENOMEM;
	if (rc == 0)
		rc = consumer_new(&r->setup, env->wake, env->wake_arg, &r->consumer);
	if (rc == 0)
		rc = publisher_new(&r->setup, env->wake, env->wake_arg, &r->publisher);
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
