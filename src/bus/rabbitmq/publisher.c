#include "bus/rabbitmq/publisher.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "bus/rabbitmq/publisher_state.h"

#define MAIL_BATCH 64
#define EVENTS_MAX 4
#define OWN_LETTERS_MAX 2 /* a loop-back, a hello */

/* --- results ------------------------------------------------------------------------------------------------------ */

static void post(void *arg, struct letter *letter)
{
	struct publisher *p = arg;
	mail_send(p->out, &letter->mail);
}

void publisher_finish(struct publisher *p, struct letter *letter, enum letter_result result)
{
	letter->result = result;
	if (letter->kind == LETTER_PUBLICATION)
		lanes_done(p->lanes, letter, post, p);
	else
		post(p, letter);
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
	void *items[MAIL_BATCH];
	size_t n;

	while ((n = mailbox_pop(p->in, items, MAIL_BATCH)) > 0) {
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
	amqp_channel_open(p->link.conn, PUBLISHER_CHANNEL);
	rc = link_reply(&p->link, PUBLISHER_CHANNEL, "opening a channel", amqp_get_rpc_reply(p->link.conn));
	if (rc == 0) {
		amqp_confirm_select(p->link.conn, PUBLISHER_CHANNEL);
		rc = link_reply(&p->link, PUBLISHER_CHANNEL, "asking for confirms", amqp_get_rpc_reply(p->link.conn));
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
			publisher_finish(p, l, LETTER_LOST);
		else
			letters_push(&others, l);
	}
	p->waiting = others;
}

/* Takes what has come, and sends what the socket takes without waiting. */
static int turn(struct publisher *p)
{
	int rc = publisher_read_frames(p);

	if (rc != LINK_E_NOTHING)
		return rc;
	take_mail(p);
	tell_flow(p);
	if (p->blocked)
		lose_unsent(p);
	rc = publisher_send_letters(p);
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
		if (!publisher_has_unsent(p) && !p->blocked)
			rc = helm_lend(&p->helm);
		else if (!publisher_has_unsent(p) || !link_writable(&p->link))
			link_wait(&p->link, UINT32_MAX / 2, publisher_has_unsent(p));
	}
	return rc;
}

void publisher_turn(struct publisher *p, uint64_t now_ms)
{
	if (!helm_with_loop(&p->helm) || (helm_nothing_came(&p->helm, now_ms) && mailbox_empty(p->in)))
		return;
	helm_begin_turn(&p->helm, now_ms);
	mailbox_doze(p->out);
	int rc = turn(p);
	mailbox_doze(p->in);
	if (rc == 0 && !p->blocked && !publisher_has_unsent(p))
		helm_end_turn(&p->helm, UINT64_MAX);
	else
		helm_give_back(&p->helm, rc);
}

static void lose_queue(struct publisher *p, struct letters *queue)
{
	for (struct letter *l = letters_pop(queue); l; l = letters_pop(queue))
		publisher_finish(p, l, LETTER_LOST);
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
		publisher_finish(p, letter, LETTER_LOST);
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
