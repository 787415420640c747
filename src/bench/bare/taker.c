#include "bench/bare/taker.h"

#include "base/clock.h"
#include "bench/payload.h"
#include "bench/usage.h"

static struct taker *of_link(struct amqp_link *link)
{
	return GRID_CONTAINER_OF(link, struct taker, link);
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static void on_message(struct taker *taker, struct str body)
{
	struct payload payload;

	taker->unacknowledged = taker->tag;
	if (!payload_read(body, str_from(taker->config.run), 0, &payload)) {
		taker->foreign++;
		return;
	}
	histogram_add(&taker->delivery, clock_mono_us() - payload.published_us);
	atomic_fetch_add(&taker->received, 1);
}

/* A body that comes in one frame, as nearly all do, is read where it lies. */
static int on_body(struct taker *taker, struct str piece)
{
	if (piece.n > taker->missing)
		return amqp_link_fail(&taker->link, "a longer body than announced");
	taker->missing -= piece.n;
	if (taker->missing == 0 && taker->body.n == 0) {
		on_message(taker, piece);
		return 0;
	}
	buf_put_str(&taker->body, piece);
	if (taker->body.failed)
		return amqp_link_fail(&taker->link, "out of memory");
	if (taker->missing == 0) {
		on_message(taker, buf_str(&taker->body));
		buf_reset(&taker->body);
	}
	return 0;
}

static int on_method(struct taker *taker, const amqp_method_t *method)
{
	if (method->id == AMQP_QUEUE_BIND_OK_METHOD)
		return binder_answered(&taker->binder, &taker->link);
	if (method->id == AMQP_BASIC_CANCEL_METHOD)
		return amqp_link_fail(&taker->link, "the broker cancelled the consumer");
	if (method->id == AMQP_BASIC_DELIVER_METHOD)
		taker->tag = ((const amqp_basic_deliver_t *)method->decoded)->delivery_tag;
	return 0;
}

static int on_frame(struct amqp_link *link, const amqp_frame_t *frame)
{
	struct taker *taker = of_link(link);

	switch (frame->frame_type) {
	case AMQP_FRAME_METHOD:
		return on_method(taker, &frame->payload.method);
	case AMQP_FRAME_HEADER:
		taker->missing = frame->payload.properties.body_size;
		return taker->missing ? 0 : on_body(taker, STR("")); /* without a body, no frame of it follows */
	case AMQP_FRAME_BODY:
		return on_body(taker, amqp_str(frame->payload.body_fragment));
	default:
		return 0;
	}
}

/* All that was read since the last time, in one. */
static int acknowledge(struct taker *taker)
{
	uint64_t tag = taker->unacknowledged;

	if (!tag)
		return 0;
	taker->unacknowledged = 0;
	return amqp_link_status(&taker->link, "acknowledging", amqp_basic_ack(taker->link.conn, AMQP_LINK_CHANNEL, tag, 1));
}

/* --- its life ----------------------------------------------------------------------------------------------------- */

static int on_established(struct amqp_link *link)
{
	struct taker *taker = of_link(link);
	int r = binder_declare(&taker->binder, link);

	if (r != 0)
		return r;
	amqp_basic_qos(link->conn, AMQP_LINK_CHANNEL, 0, taker->config.prefetch, 0);
	return amqp_link_reply(link, "setting the prefetch", amqp_get_rpc_reply(link->conn));
}

static int consume(struct taker *taker)
{
	amqp_connection_state_t conn = taker->link.conn;

	amqp_basic_consume(conn, AMQP_LINK_CHANNEL, amqp_from_str(str_from(taker->binder.queue)), amqp_empty_bytes, 0, 0, 0,
	                   amqp_empty_table);
	int r = amqp_link_reply(&taker->link, "consuming", amqp_get_rpc_reply(conn));
	if (r != 0)
		return r;
	taker->link.wait_us = 0; /* the library may have read a message with the answer */
	taker->cpu_before_us = cpu_now().thread_us;
	atomic_store(&taker->consuming, true);
	return 0;
}

/* The messages are over. */
static int clear(struct taker *taker)
{
	taker->cpu_us = cpu_now().thread_us - taker->cpu_before_us;
	int r = binder_delete(&taker->binder, &taker->link);
	if (r == 0)
		atomic_store(&taker->done, true);
	return r;
}

static int on_idle(struct amqp_link *link)
{
	struct taker *taker = of_link(link);

	if (atomic_load(&taker->done))
		return 0;
	if (atomic_load(&taker->clear))
		return clear(taker);
	if (atomic_load(&taker->consuming))
		return acknowledge(taker);
	int r = binder_ask(&taker->binder, link);
	return r == 0 && window_done(&taker->binder.window) ? consume(taker) : r;
}

static void on_lost(struct amqp_link *link)
{
	struct taker *taker = of_link(link);

	if (!atomic_load(&taker->done))
		atomic_store(&taker->failed, true);
	amqp_link_stop(link); /* it does not begin anew */
}

static const struct amqp_link_handler link_handler = {on_established, on_frame, on_idle, on_lost};

int taker_init(struct taker *taker, const struct taker_config *config, const struct amqp_options *options)
{
	*taker = (struct taker){.config = *config};
	binder_init(&taker->binder, options->prefix, config->run, (enum queue_kind)options->queue, false, config->keys,
	            config->window);
	return amqp_verb_init(&taker->link, &link_handler, "gridbench pipe: consumer", options);
}

void taker_deinit(struct taker *taker)
{
	amqp_link_stop(&taker->link);
	amqp_link_deinit(&taker->link);
	buf_deinit(&taker->body);
}
