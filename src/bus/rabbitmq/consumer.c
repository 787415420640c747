#include "bus/rabbitmq/consumer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/num.h"
#include "bus/rabbitmq/consumer_state.h"

#define RELEASE_EVERY 32 /* frames, so that rabbitmq-c's buffers do not grow with the batch */
#define EVENTS_MAX 5     /* of one life, plus the last one's */
#define RESET_WAIT_MS 10
#define ACK_BYTES 32
#define LOOP_READ_US 1000 /* a large message is checked and copied at some GB/s; the thread takes over what is more */
#define CLOCK_EVERY 4     /* frames: one message has three */
/* What the loop settles within so long of a delivery is acknowledged together, without a wake-up for each: a twentieth
 * of the acknowledgements at 2,000 notifications a second. 10 and not 5 ms: 4 % of the CPU with 500 messages a second
 * to rooms of ten. And not at once then, but with what comes next, if that is soon: no wake-up of its own. It is
 * also how much a crash has come again. */
#define SETTLE_MS 10
#define SETTLE_LATEST_MS 20

/* --- to the loop -------------------------------------------------------------------------------------------------- */

void consumer_push_batch(struct consumer *c)
{
	if (c->batch_n && !c->settle_at_ms)
		c->settle_at_ms = c->now.mono_ms + SETTLE_MS;
	for (size_t i = 0; i < c->batch_n; i++)
		mail_send(c->out, &c->batch[i]->mail);
	c->batch_n = 0;
}

void consumer_tell(struct consumer *c, struct event *event)
{
	consumer_push_batch(c);
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
		keys_bind_anew(c);
	else
		keys_unbind_unsure(c);
	if (c->own_ops_open == 0)
		consumer_tell(c, &c->consuming);
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
		return keys_on_frame(c, frame);
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

/* Until rabbitmq-c has nothing left of what it has read, but not more than one batch, and on the loop not for longer
 * than others may wait; LINK_E_NOTHING when that was all. What still lies in the socket wakes whoever has the link. */
static int read_frames(struct consumer *c)
{
	uint64_t until_us = helm_with_loop(&c->helm) ? clock_mono_us() + LOOP_READ_US : UINT64_MAX;
	amqp_frame_t frame;

	c->now = clock_now();
	for (unsigned n = 1; c->batch_n < CONSUMER_BATCH; n++) {
		int rc = link_read(&c->link, &frame);
		if (rc == 0)
			rc = on_frame(c, &frame);
		if (rc != 0)
			return rc;
		if (n % RELEASE_EVERY == 0)
			release_buffers(c);
		if (!link_has_more(&c->link))
			return LINK_E_NOTHING;
		if (frame.channel != CHANNEL_DELIVERIES || n % RELEASE_EVERY == 0)
			c->now = clock_now(); /* it took long, or something was waited for */
		if (n % CLOCK_EVERY == 0 && until_us != UINT64_MAX && clock_mono_us() >= until_us)
			break;
	}
	return 0;
}

/* --- mail from the loop ------------------------------------------------------------------------------------------- */

/* The loop tells us of what it settles later than SETTLE_MS, and a broker that waits for room is not kept waiting. */
static bool settling_due(const struct consumer *c, uint64_t now_ms)
{
	return c->phase != PHASE_SERVING || !c->settle_at_ms || now_ms >= c->settle_at_ms || intake_half_full(&c->own) ||
	       intake_half_full(&c->reaper.intake);
}

static int take_settled(struct consumer *c)
{
	void *items[CONSUMER_BATCH];
	size_t n;
	int rc = 0;

	c->settle_at_ms = 0;
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
	keys_bind_anew(c);
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
	return rc ? rc : keys_send(c);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static uint64_t wait_ms(const struct consumer *c)
{
	uint64_t ms = c->phase == PHASE_SERVING ? reaper_wait_ms(c) : RESET_WAIT_MS;

	if (barrier_needed(&c->own.barrier))
		ms = min_u64(ms, BARRIER_MS);
	if (c->settle_at_ms) {
		uint64_t now = clock_mono_ms(), latest = c->settle_at_ms + SETTLE_LATEST_MS - SETTLE_MS;
		ms = min_u64(ms, latest > now ? latest - now : 0);
	}
	return ms;
}

static void wait_for_more(struct consumer *c)
{
	if (c->settle_at_ms)
		mailbox_doze(c->settled);
	link_wait(&c->link, wait_ms(c), false);
}

/* Is there nothing that only this thread does: queues to make anew and to reap, binds (each is written down on disk)?
 */
static bool only_deliveries(const struct consumer *c)
{
	return c->phase == PHASE_SERVING && !reaper_busy(c) && !c->ops.head && mailbox_empty(c->in);
}

static int wait_or_lend(struct consumer *c)
{
	if (only_deliveries(c))
		return helm_lend(&c->helm);
	wait_for_more(c);
	return 0;
}

/* Until the link is lost, or it is time to stop. */
static int serve(struct consumer *c)
{
	while (!link_stopping(&c->link)) {
		int read = read_frames(c);
		consumer_push_batch(c);
		if (read < 0)
			return read;
		int rc = settling_due(c, c->now.mono_ms) ? take_settled(c) : 0;
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
		if (read == LINK_E_NOTHING && !link_holds_more(&c->link))
			rc = wait_or_lend(c);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Until our `lost` is back: then the loop holds nothing of this life that it would still send. */
static void wait_for_lost(struct consumer *c)
{
	bool back = false;
	void *item;

	while (!back && !link_stopping(&c->link)) {
		while (!back && mailbox_pop(c->in, &item, 1) == 1) {
			struct mail *mail = item;
			if (mail->kind == MAIL_OP)
				ops_push(&c->ops, (struct op *)(void *)mail);
			back = mail == &c->lost.mail;
		}
		keys_lose(c);
		if (!back)
			link_sleep(&c->link, -1);
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
	consumer_push_batch(c);
	keys_lose(c);
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
	consumer_push_batch(c);
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

/* --- the loop, while it has the helm ------------------------------------------------------------------------------ */

static bool nothing_to_settle(const struct consumer *c, uint64_t now_ms)
{
	return mailbox_empty(c->settled) && !intake_has_settled(&c->own) && !intake_has_settled(&c->reaper.intake) &&
	       !barrier_due(&c->own.barrier, now_ms);
}

/* What was settled is acknowledged when it is due, if all of it can be written at once: each by itself, at worst. */
static int settle_on_loop(struct consumer *c, uint64_t now_ms)
{
	if (!settling_due(c, now_ms))
		return 0;
	if (nothing_to_settle(c, now_ms)) {
		c->settle_at_ms = 0; /* it is held: the loop tells us */
		return 0;
	}
	size_t most = (intake_outstanding(&c->own) + intake_outstanding(&c->reaper.intake) + 1) * ACK_BYTES;
	if (link_room(&c->link) < most)
		return LINK_E_NOTHING;
	link_cork(&c->link, true);
	int rc = take_settled(c);
	link_cork(&c->link, false);
	return rc;
}

/* With a link left alone for which nothing came, the hub's tick left to its timer, and the clock not read for each
 * frame, a notification that comes alone costs 4 % less CPU. */
static bool nothing_to_do(const struct consumer *c, uint64_t now_ms)
{
	return helm_nothing_came(&c->helm, now_ms) && mailbox_empty(c->in) &&
	       (c->settle_at_ms ? !settling_due(c, now_ms) : nothing_to_settle(c, now_ms));
}

void consumer_turn(struct consumer *c, uint64_t now_ms)
{
	if (!helm_with_loop(&c->helm) || nothing_to_do(c, now_ms))
		return;
	bool came = helm_begin_turn(&c->helm, now_ms);
	mailbox_doze(c->out);
	int read = read_frames(c);
	consumer_push_batch(c);
	int settled = read < 0 ? read : settle_on_loop(c, now_ms);
	mailbox_doze(c->settled);
	/* The reaper is looked at when there was nothing to read: every 150 ms at least. */
	bool mine = came ? mailbox_empty(c->in) : only_deliveries(c);
	if (read == LINK_E_NOTHING && settled == 0 && mine) {
		release_buffers(c);
		helm_end_turn(&c->helm, wait_ms(c));
	} else {
		helm_give_back(&c->helm, settled < 0 ? settled : 0);
	}
}

/* --- from the loop ------------------------------------------------------------------------------------------------ */

static struct event event_of(enum event_kind kind)
{
	return (struct event){.mail.kind = MAIL_EVENT, .kind = kind};
}

static bool make_mailboxes(struct consumer *c, const struct bus_env *env)
{
	size_t prefetch = (size_t)c->setup->config->rabbitmq.prefetch;

	int rc = intake_init(&c->own, c, CHANNEL_DELIVERIES, prefetch);
	if (rc == 0)
		rc = reaper_init(c);
	c->in = mailbox_new(OPS_MAX + EVENTS_MAX, link_wake, &c->link);
	c->settled = mailbox_new(prefetch + REAP_PREFETCH, link_wake, &c->link);
	c->out = mailbox_new(prefetch + REAP_PREFETCH + OPS_MAX + EVENTS_MAX, env->wake, env->wake_arg);
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
	helm_deinit(&c->helm);
	link_deinit(&c->link);
	free(c);
}

int consumer_new(const struct setup *setup, const struct bus_env *env, struct consumer **consumerp)
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
	if (rc == 0 && (rc = helm_init(&c->helm, &c->link, env)) != 0)
		link_deinit(&c->link);
	if (rc != 0) {
		free(c);
		return rc;
	}
	rc = make_mailboxes(c, env) ? takeover_init(c) : -ENOMEM;
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
	if (helm_with_loop(&c->helm))
		helm_give_back(&c->helm, 0);
}

void consumer_settle(struct consumer *c, struct delivery *d)
{
	mail_send(c->settled, &d->mail);
	/* Later than SETTLE_MS after it came: no turn is due. */
	if (helm_with_loop(&c->helm) && !c->settle_at_ms)
		helm_turn_soon(&c->helm);
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
