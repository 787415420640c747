#include "bus/rabbitmq/publisher.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "bus/rabbitmq/confirms.h"
#include "bus/rabbitmq/delivery.h"
#include "bus/rabbitmq/helm.h"
#include "bus/rabbitmq/hello.h"
#include "bus/rabbitmq/incoming.h"
#include "bus/rabbitmq/lanes.h"
#include "bus/rabbitmq/letters.h"
#include "bus/rabbitmq/link.h"
#include "bus/rabbitmq/properties.h"
#include "bus/rabbitmq/setup.h"
#include "bus/rabbitmq/worker.h"

enum { CHANNEL = 1 };

#define WRITE_BATCH 64 /* letters between two looks at what came, and whether the socket still takes any */
#define WRITE_BATCH_BYTES 65536
#define FRAME_OVERHEAD 8     /* bytes of a frame around its body */
#define LETTER_OVERHEAD 2048 /* exchange, key and properties at most */
#define RELEASE_EVERY 64     /* frames */
#define EVENTS_MAX 4
#define OWN_LETTERS_MAX 2 /* a loop-back, a hello */
#define POOL_PAGE 4096

struct publisher {
	const struct setup *setup;
	struct rabbitmq_counters *counters;
	struct link link;
	struct helm helm;
	struct worker worker;
	struct mailbox *in;
	struct mailbox *out;

	struct letters waiting; /* not sent yet */
	struct letters again;   /* sent, returned, to be sent to the unrouted exchange; before those above */
	size_t batch_bytes;     /* of bodies, sent since the last look */
	struct confirms *confirms;
	struct lanes *lanes;
	struct incoming incoming; /* basic.return */

	bool blocked;
	bool told_blocked;
	bool flow_under_way; /* the event is with the loop */
	struct event up, lost, flow;
};

/* --- results ------------------------------------------------------------------------------------------------------ */

static void post(void *arg, struct letter *letter)
{
	struct publisher *p = arg;
	mail_send(p->out, &letter->mail);
}

static void finish(struct publisher *p, struct letter *letter, enum letter_result result)
{
	letter->result = result;
	if (letter->kind == LETTER_PUBLICATION)
		lanes_done(p->lanes, letter, post, p);
	else
		post(p, letter);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static int send_bytes(struct publisher *p, enum exchange exchange, const char *routing_key, bool mandatory,
                      const amqp_basic_properties_t *properties, struct str body)
{
	size_t frame_body = (size_t)amqp_get_frame_max(p->link.conn) - FRAME_OVERHEAD;

	counter_add(&p->counters->published, 1);
	p->batch_bytes += body.n;
	int status = amqp_basic_publish(p->link.conn, CHANNEL, amqp_from_text(p->setup->topology.exchanges[exchange]),
	                                amqp_from_text(routing_key), mandatory, 0, properties, amqp_from_str(body));
	/* A last frame that is exactly full is sent with the flag "more to come", and would wait for it. */
	if (body.n && body.n % frame_body == 0)
		link_cork(&p->link, false);
	return link_status(&p->link, "publishing", status);
}

/* A user's message goes out so that it comes back when no node has the user; then it goes to where absent users'
 * messages go, and that must take it. */
static int send_publication(struct publisher *p, const struct letter *letter)
{
	const struct bus_publication *publication = letter->publication;
	const struct message *m = &publication->message;
	uint64_t number = confirms_next(p->confirms);
	char routing_key[ROUTING_KEY_MAX + 1];
	struct encoded e;

	if (letter->handed_over) {
		encode_message(m, p->setup->config->rabbitmq.user, number, true, &e);
		return send_bytes(p, EXCHANGE_UNROUTED, publication->key.text, true, &e.properties, m->body);
	}
	bool to_user = publication->key.kind == KEY_USER;
	encode_message(m, p->setup->config->rabbitmq.user, to_user ? number : 0, m->persistent, &e);
	topology_publish_key(&publication->key, routing_key);
	return send_bytes(p, topology_key_exchange(&publication->key), routing_key, to_user, &e.properties, m->body);
}

static int send_stray(struct publisher *p, const struct letter *letter)
{
	const struct delivery *d = letter->delivery;
	amqp_basic_properties_t *properties;
	amqp_pool_t pool;

	init_amqp_pool(&pool, POOL_PAGE);
	int rc = encode_stray(delivery_raw_properties(d), (size_t)amqp_get_frame_max(p->link.conn), d->trusted,
	                      p->setup->config->rabbitmq.user, p->setup->node_id, confirms_next(p->confirms), &pool,
	                      &properties);
	if (rc == 0)
		rc = send_bytes(p, EXCHANGE_UNROUTED, d->bus.targets[letter->target].key.text, true, properties,
		                delivery_raw_body(d));
	else
		rc = link_fail(&p->link, "encoding a stray: %s", strerrordesc_np(-rc));
	empty_amqp_pool(&pool);
	return rc;
}

static int send_loopback(struct publisher *p, const struct letter *letter)
{
	const struct message m = {.type = STR(TYPE_LOOPBACK), .seq = letter->check, .body = STR("{}")};
	struct encoded e;

	encode_message(&m, p->setup->config->rabbitmq.user, confirms_next(p->confirms), false, &e);
	return send_bytes(p, EXCHANGE_NODES, letter->key, true, &e.properties, m.body);
}

static int send_hello(struct publisher *p, const struct letter *letter)
{
	const struct message m = {
	    .type = STR(TYPE_HELLO), .origin = str_from(letter->hello->origin), .body = str_from(letter->hello->queue)};
	struct encoded e;

	encode_message(&m, p->setup->config->rabbitmq.user, 0, false, &e);
	return send_bytes(p, EXCHANGE_NODES, "all", false, &e.properties, m.body);
}

static int send_letter(struct publisher *p, struct letter *letter)
{
	int rc = 0;

	letter->returned = false;
	switch (letter->kind) {
	case LETTER_PUBLICATION:
		rc = send_publication(p, letter);
		break;
	case LETTER_STRAY:
		rc = send_stray(p, letter);
		break;
	case LETTER_LOOPBACK:
		rc = send_loopback(p, letter);
		break;
	case LETTER_HELLO:
		rc = send_hello(p, letter);
		break;
	}
	confirms_sent(p->confirms, letter);
	return rc;
}

static struct letters *next_queue(struct publisher *p)
{
	return p->again.head ? &p->again : &p->waiting;
}

static bool has_unsent(const struct publisher *p)
{
	return !p->blocked && (p->again.head || p->waiting.head);
}

/* With all that goes around a body. */
static size_t letter_size(const struct letter *letter)
{
	switch (letter->kind) {
	case LETTER_PUBLICATION:
		return letter->publication->message.body.n + LETTER_OVERHEAD;
	case LETTER_STRAY:
		return letter->delivery->raw_body + letter->delivery->raw_properties + LETTER_OVERHEAD;
	case LETTER_LOOPBACK:
	case LETTER_HELLO:
		break;
	}
	return LETTER_OVERHEAD;
}

/* As many as the socket takes without waiting, so that what comes is read meanwhile: most of all, that we are blocked.
 * The thread may have to wait with the last of them. */
static int send_letters(struct publisher *p)
{
	bool on_loop = helm_with_loop(&p->helm);
	int rc = 0;

	if (!has_unsent(p) || (!on_loop && !link_writable(&p->link)))
		return 0;
	size_t room = on_loop ? link_room(&p->link) : SIZE_MAX;
	bool several = p->again.head ? p->again.head->next || p->waiting.head : p->waiting.head->next != NULL;
	if (several)
		link_cork(&p->link, true);
	p->batch_bytes = 0;
	for (int i = 0; i < WRITE_BATCH && p->batch_bytes < WRITE_BATCH_BYTES && rc == 0 && has_unsent(p); i++) {
		size_t size = letter_size(next_queue(p)->head);
		if (size > room)
			break;
		room -= size;
		rc = send_letter(p, letters_pop(next_queue(p)));
	}
	if (several)
		link_cork(&p->link, false);
	return rc;
}

/* --- confirms and returns ----------------------------------------------------------------------------------------- */

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
			finish(p, letter, publication && letter->handed_over ? LETTER_REFUSED : LETTER_RETURNED);
		}
		return;
	}
	if (letter->handed_over || letter->kind == LETTER_STRAY)
		counter_add(&p->counters->handed_over, 1);
	if (letter->kind == LETTER_STRAY && next_target(letter))
		letters_push(&p->again, letter);
	else
		finish(p, letter, letter->handed_over ? LETTER_RETURNED : LETTER_CONFIRMED);
}

static void on_outcome(struct publisher *p, struct letter *letter, bool ack)
{
	if (ack) {
		on_confirmed(p, letter);
	} else {
		counter_add(&p->counters->refused, 1);
		finish(p, letter, LETTER_REFUSED);
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

/* Until rabbitmq-c has nothing left of what it has read; then LINK_E_NOTHING. What still lies in the socket ends
 * link_wait() at once. */
static int read_frames(struct publisher *p)
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

/* --- mail --------------------------------------------------------------------------------------------------------- */

/* One event for both directions: while it is with the loop a change waits until it is back. */
static void tell_flow(struct publisher *p)
{
	if (p->flow_under_way || p->blocked == p->told_blocked)
		return;
	p->told_blocked = p->blocked;
	p->flow.flag = p->blocked;
	p->flow_under_way = true;
	mail_send(p->out, &p->flow.mail);
}

/* True when `lost` was among it. */
static bool take_mail(struct publisher *p)
{
	bool lost_is_back = false;
	void *items[WRITE_BATCH];
	size_t n;

	while ((n = mailbox_pop(p->in, items, WRITE_BATCH)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct mail *mail = items[i];
			if (mail->kind == MAIL_LETTER) {
				struct letter *letter = (struct letter *)(void *)mail;
				if (letter->kind == LETTER_PUBLICATION)
					lanes_enter(p->lanes, letter);
				letters_push(&p->waiting, letter);
			} else if (mail == &p->flow.mail) {
				p->flow_under_way = false;
			} else {
				lost_is_back = lost_is_back || mail == &p->lost.mail;
			}
		}
	}
	return lost_is_back;
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static int establish(struct publisher *p)
{
	int rc = link_open(&p->link);
	if (rc != 0)
		return rc;
	amqp_channel_open(p->link.conn, CHANNEL);
	rc = link_reply(&p->link, CHANNEL, "opening a channel", amqp_get_rpc_reply(p->link.conn));
	if (rc == 0) {
		amqp_confirm_select(p->link.conn, CHANNEL);
		rc = link_reply(&p->link, CHANNEL, "asking for confirms", amqp_get_rpc_reply(p->link.conn));
	}
	if (rc != 0)
		return -ECONNABORTED;
	confirms_reset(p->confirms);
	p->blocked = p->told_blocked = false;
	link_in_use(&p->link);
	mail_send(p->out, &p->up.mail);
	return 0;
}

/* Whoever waits for them is told at once that they did not go; so they must not go minutes later. */
static void lose_unsent(struct publisher *p)
{
	struct letters others = {.head = NULL};

	for (struct letter *l = letters_pop(&p->waiting); l; l = letters_pop(&p->waiting)) {
		if (l->kind == LETTER_PUBLICATION)
			finish(p, l, LETTER_LOST);
		else
			letters_push(&others, l);
	}
	p->waiting = others;
}

/* Takes what has come, and sends what the socket takes without waiting. */
static int turn(struct publisher *p)
{
	int rc = read_frames(p);

	if (rc != LINK_E_NOTHING)
		return rc;
	take_mail(p);
	tell_flow(p);
	if (p->blocked)
		lose_unsent(p);
	rc = send_letters(p);
	if (rc == 0 && !incoming_busy(&p->incoming))
		link_release(&p->link);
	return rc;
}

static int serve(struct publisher *p)
{
	int rc = 0;

	while (rc == 0 && !link_stopping(&p->link)) {
		rc = turn(p);
		if (rc != 0)
			return rc;
		if (!has_unsent(p) && !p->blocked)
			rc = helm_lend(&p->helm);
		else if (!has_unsent(p) || !link_writable(&p->link))
			link_wait(&p->link, UINT32_MAX / 2, has_unsent(p));
	}
	return rc;
}

void publisher_turn(struct publisher *p)
{
	if (!helm_with_loop(&p->helm))
		return;
	helm_begin_turn(&p->helm);
	mailbox_doze(p->out);
	int rc = turn(p);
	mailbox_doze(p->in);
	if (rc == 0 && !p->blocked && !has_unsent(p))
		helm_end_turn(&p->helm, UINT64_MAX);
	else
		helm_give_back(&p->helm, rc);
}

static void lose_queue(struct publisher *p, struct letters *queue)
{
	for (struct letter *l = letters_pop(queue); l; l = letters_pop(queue))
		finish(p, l, LETTER_LOST);
}

/* Until our `lost` is back: what the loop sent before it knew is lost as well. */
static void wait_for_lost(struct publisher *p)
{
	while (!link_stopping(&p->link)) {
		bool back = take_mail(p);
		lose_queue(p, &p->waiting);
		if (back)
			return;
		link_sleep(&p->link, -1);
	}
}

static void end_life(struct publisher *p)
{
	struct letter *letter;

	counter_add(&p->counters->publisher.losses, 1);
	log_warn("bus.lost", "link=publisher why=%s", LOG_QUOTED(str_from(p->link.why)));
	while ((letter = confirms_take_until(p->confirms, UINT64_MAX)))
		finish(p, letter, LETTER_LOST);
	lose_queue(p, &p->again);
	lose_queue(p, &p->waiting);
	counter_set(&p->counters->blocked, 0);
	mail_send(p->out, &p->lost.mail);
	wait_for_lost(p);
}

static void run(void *arg)
{
	struct publisher *p = arg;

	while (!link_stopping(&p->link)) {
		int rc = establish(p);
		bool in_use = rc == 0;
		if (rc == 0)
			rc = serve(p);
		link_close(&p->link, rc == 0);
		incoming_done(&p->incoming);
		if (link_stopping(&p->link))
			break;
		if (in_use)
			end_life(p);
		link_pause(&p->link);
	}
	link_close(&p->link, false);
}

/* --- from the loop ------------------------------------------------------------------------------------------------ */

static struct event event_of(enum event_kind kind)
{
	return (struct event){.mail.kind = MAIL_EVENT, .kind = kind};
}

static bool make_parts(struct publisher *p, const struct bus_env *env)
{
	size_t letters = (size_t)p->setup->config->publish_window + STRAYS_MAX + OWN_LETTERS_MAX;

	p->lanes = calloc(1, sizeof(*p->lanes));
	p->confirms = confirms_new(letters);
	p->in = mailbox_new(letters + EVENTS_MAX, link_wake, &p->link);
	p->out = mailbox_new(letters + EVENTS_MAX, env->wake, env->wake_arg);
	return p->lanes && p->confirms && p->in && p->out;
}

static void free_parts(struct publisher *p)
{
	free(p->lanes);
	confirms_free(p->confirms);
	mailbox_free(p->in);
	mailbox_free(p->out);
	helm_deinit(&p->helm);
	link_deinit(&p->link);
	free(p);
}

int publisher_new(const struct setup *setup, const struct bus_env *env, struct publisher **publisherp)
{
	struct publisher *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->setup = setup;
	p->counters = setup->counters;
	p->up = event_of(EVENT_UP);
	p->lost = event_of(EVENT_LOST);
	p->flow = event_of(EVENT_BLOCKED);
	int rc = link_init(&p->link, &setup->config->rabbitmq, "publisher", setup->node_id, &p->counters->publisher);
	if (rc == 0 && (rc = helm_init(&p->helm, &p->link, env)) != 0)
		link_deinit(&p->link);
	if (rc != 0) {
		free(p);
		return rc;
	}
	rc = make_parts(p, env) ? worker_start(&p->worker, &p->link, run, p) : -ENOMEM;
	if (rc != 0) {
		free_parts(p);
		return rc;
	}
	*publisherp = p;
	return 0;
}

void publisher_stop(struct publisher *p)
{
	link_stop(&p->link);
}

struct publisher *publisher_free(struct publisher *p)
{
	if (!p)
		return NULL;
	worker_join(&p->worker);
	free_parts(p);
	return NULL;
}

void publisher_send(struct publisher *p, struct mail *mail)
{
	mail_send(p->in, mail);
	if (helm_with_loop(&p->helm))
		helm_turn_soon(&p->helm);
}

size_t publisher_take(struct publisher *p, void **mail, size_t max)
{
	return mailbox_pop(p->out, mail, max);
}

bool publisher_has_mail(const struct publisher *p)
{
	return !mailbox_empty(p->out);
}

void publisher_interrupt(struct publisher *p)
{
	link_interrupt(&p->link);
}
