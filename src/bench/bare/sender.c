#include "bench/bare/sender.h"

#include "base/clock.h"
#include "bench/payload.h"
#include "bench/usage.h"

#define BURST 256 /* publishes in a row, so that confirms are read meanwhile */

enum { PERSISTENT = 2 };

static struct sender *of_link(struct amqp_link *link)
{
	return GRID_CONTAINER_OF(link, struct sender, link);
}

/* --- publishing --------------------------------------------------------------------------------------------------- */

static int publish(struct sender *sender, uint64_t now_us)
{
	const struct sender_config *config = &sender->config;
	uint32_t user = (uint32_t)(sender->sent % config->keys);
	const struct payload payload = {{0, user, (uint32_t)(sender->sent / config->keys)}, now_us};
	const struct bench_name key = binder_key(config->run, user);
	const amqp_basic_properties_t properties = {._flags = AMQP_BASIC_CONTENT_TYPE_FLAG |
	                                                      (config->persistent ? AMQP_BASIC_DELIVERY_MODE_FLAG : 0),
	                                            .content_type = amqp_from_str(STR("application/json")),
	                                            .delivery_mode = PERSISTENT};

	buf_reset(&sender->payload);
	payload_put(&sender->payload, str_from(config->run), &payload, 0, config->size);
	if (sender->payload.failed)
		return amqp_link_fail(&sender->link, "out of memory");
	unconfirmed_add(&sender->unconfirmed, now_us);
	sender->sent++;
	return amqp_link_status(&sender->link, "publishing",
	                        amqp_basic_publish(sender->link.conn, AMQP_LINK_CHANNEL,
	                                           amqp_from_str(str_from(sender->exchange)),
	                                           amqp_from_str(str_from(key.text)), 0, 0, &properties,
	                                           amqp_from_str(buf_str(&sender->payload))));
}

/* What is due, as far as the window lets it. */
static int publish_due(struct sender *sender)
{
	uint64_t now_us = clock_mono_us();
	int r = 0;

	for (int n = 0; r == 0 && n < BURST && pace_due(&sender->pace, now_us); n++) {
		if (sender->blocked || !unconfirmed_open(&sender->unconfirmed)) {
			pace_held_up(&sender->pace);
			return 0; /* the answer that it waits for wakes it */
		}
		pace_sent(&sender->pace, now_us);
		r = publish(sender, now_us);
		now_us = clock_mono_us();
	}
	sender->link.wait_us = pace_wait_us(&sender->pace, now_us);
	return r;
}

static void begin(struct sender *sender, uint64_t now_us)
{
	sender->began_us = now_us;
	sender->cpu_before_us = cpu_now().thread_us;
	sender->pace = pace_begin(sender->config.rate, now_us);
}

static void finish(struct sender *sender, uint64_t now_us)
{
	sender->ended_us = now_us;
	sender->cpu_us = cpu_now().thread_us - sender->cpu_before_us;
	atomic_store(&sender->done, true);
}

static int on_idle(struct amqp_link *link)
{
	struct sender *sender = of_link(link);
	uint64_t now_us = clock_mono_us();

	if (atomic_load(&sender->done))
		return 0;
	if (!sender->began_us)
		begin(sender, now_us);
	if (!atomic_load(&sender->cut) && now_us - sender->began_us < sender->config.duration_us)
		return publish_due(sender);
	if (unconfirmed_n(&sender->unconfirmed) == 0)
		finish(sender, now_us);
	return 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static uint32_t answered(struct sender *sender, uint64_t tag, bool multiple)
{
	return unconfirmed_answer(&sender->unconfirmed, tag, multiple, clock_mono_us(), &sender->ack);
}

static int on_frame(struct amqp_link *link, const amqp_frame_t *frame)
{
	struct sender *sender = of_link(link);
	const amqp_method_t *method = &frame->payload.method;

	if (frame->frame_type != AMQP_FRAME_METHOD)
		return 0;
	if (method->id == AMQP_BASIC_ACK_METHOD) {
		const amqp_basic_ack_t *ack = method->decoded;
		sender->confirmed += answered(sender, ack->delivery_tag, ack->multiple);
	} else if (method->id == AMQP_BASIC_NACK_METHOD) {
		const amqp_basic_nack_t *nack = method->decoded;
		sender->refused += answered(sender, nack->delivery_tag, nack->multiple);
	} else if (method->id == AMQP_CONNECTION_BLOCKED_METHOD || method->id == AMQP_CONNECTION_UNBLOCKED_METHOD) {
		sender->blocked = method->id == AMQP_CONNECTION_BLOCKED_METHOD;
	}
	return 0;
}

/* --- its life ----------------------------------------------------------------------------------------------------- */

static int on_established(struct amqp_link *link)
{
	amqp_confirm_select(link->conn, AMQP_LINK_CHANNEL);
	return amqp_link_reply(link, "asking for confirms", amqp_get_rpc_reply(link->conn));
}

static void on_lost(struct amqp_link *link)
{
	struct sender *sender = of_link(link);

	if (!atomic_load(&sender->done))
		atomic_store(&sender->failed, true);
	amqp_link_stop(link); /* it does not begin anew */
}

static const struct amqp_link_handler link_handler = {on_established, on_frame, on_idle, on_lost};

int sender_init(struct sender *sender, const struct sender_config *config, const struct amqp_options *options)
{
	*sender = (struct sender){.config = *config};
	snprintf(sender->exchange, sizeof(sender->exchange), "%s.users", options->prefix);
	int r = unconfirmed_init(&sender->unconfirmed, config->window);
	if (r != 0)
		return r;
	r = amqp_verb_init(&sender->link, &link_handler, "gridbench pipe: publisher", options);
	if (r != 0)
		unconfirmed_deinit(&sender->unconfirmed);
	return r;
}

void sender_deinit(struct sender *sender)
{
	amqp_link_stop(&sender->link);
	amqp_link_deinit(&sender->link);
	unconfirmed_deinit(&sender->unconfirmed);
	buf_deinit(&sender->payload);
}
