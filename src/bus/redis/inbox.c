/* Deliveries: decoded, lent to core, and handed over when they are for a user who is not here. Redis forgets a message
 * as it sends it, so a stray is ours until the stream has it, over lost links too. */
#include <stdlib.h>
#include <utlist.h>

#include "bus/redis/driver_state.h"

#define STRAYS_MAX 256              /* on their way at once */
#define STRAYS_BYTES_MAX (64 << 20) /* waiting, above which they are dropped */
#define STRAY_RETRY_MS 1000         /* after Redis refused one */

/* --- decoding ----------------------------------------------------------------------------------------------------- */

static void drop(struct redis *r, struct counter *counter, struct str channel, struct str payload, const char *why)
{
	counter_add(counter, 1);
	log_limited(&r->dropped_limit, r->now_ms, LOG_LEVEL_WARN, "bus.dropped", "channel=%s bytes=%zu why=\"%s\"",
	            LOG_QUOTED(channel), payload.n, why);
}

/* Fills r->envelope; false: dropped, and why is logged. */
static bool decode(struct redis *r, struct str channel, struct str payload)
{
	const struct redis_config *config = &r->config->redis;
	size_t max = (size_t)config->max_body;

	/* Looked at before anything is computed over it. */
	int rc = payload.n > max + ENVELOPE_LINE_MAX ? 0 : envelope_open(&r->envelope, channel, payload, r->hmac);
	if (rc == ENVELOPE_E_UNSIGNED && config->trust)
		rc = envelope_trust(&r->envelope);
	if (payload.n > max + ENVELOPE_LINE_MAX || (rc == 0 && r->envelope.message.body.n > max))
		drop(r, &r->counters.dropped_size, channel, payload, "larger than bus.redis.max_body");
	else if (rc == ENVELOPE_E_BAD)
		drop(r, &r->counters.dropped_envelope, channel, payload, "begins like an envelope and is none");
	else if (rc == ENVELOPE_E_UNSIGNED)
		drop(r, &r->counters.dropped_forged, channel, payload, "an envelope without our signature");
	else if (rc != 0)
		drop(r, &r->counters.dropped_memory, channel, payload, "out of memory");
	else
		return true;
	return false;
}

static void delivery_free(struct redis *r, struct delivery *d)
{
	DL_DELETE(r->held, d);
	bus_delivery_deinit(&d->bus);
	if (d->reply)
		freeReplyObject(d->reply);
	free(d);
}

static struct delivery *delivery_new(struct redis *r, const struct key *key)
{
	const struct message *m = &r->envelope.message;
	struct delivery *d = calloc(1, sizeof(*d) + sizeof(d->bus.targets[0]));

	if (!d)
		return NULL;
	if (bus_delivery_init(&d->bus, key, 1, m, r->now_unix_ms, r->now_ms) != 0) {
		free(d);
		return NULL;
	}
	bus_delivery_identify(&d->bus, m, r->identity_key);
	d->request.kind = REQUEST_STRAY;
	d->line = r->envelope.line.p ? r->envelope.line : STR("{}");
	d->body = m->body;
	DL_APPEND(r->held, d);
	return d;
}

/* After what came before it. */
static void announce(struct redis *r, struct str body)
{
	inbox_flush(r);
	if (!r->over)
		bus_up_announced(r->bus, body);
}

/* Bare bodies are for users and rooms: here only nodes speak. */
static void take_announcement(struct redis *r, struct str channel, struct str payload)
{
	const struct envelope *e = &r->envelope;

	if (!str_eq(channel, str_from(r->names.nodes)))
		drop(r, &r->counters.dropped_channel, channel, payload, "no such channel is ours");
	else if (!e->line.p || !str_eq(e->message.type, STR(TYPE_NOTICE)))
		drop(r, &r->counters.dropped_control, channel, payload, "not a word between nodes that is known here");
	else
		announce(r, e->message.body);
}

void inbox_on_message(struct redis *r, redisReply *reply)
{
	struct str channel = {reply->element[1]->str, reply->element[1]->len};
	struct str payload = {reply->element[2]->str, reply->element[2]->len};
	struct key key;

	if (str_eq(channel, str_from(r->names.check)) || !decode(r, channel, payload)) {
		freeReplyObject(reply);
		return;
	}
	if (redis_channel_key(&r->names, channel, &key) != 0) {
		take_announcement(r, channel, payload);
		freeReplyObject(reply);
		return;
	}
	struct delivery *d = delivery_new(r, &key);
	if (!d) {
		drop(r, &r->counters.dropped_memory, channel, payload, "out of memory");
		freeReplyObject(reply);
		return;
	}
	counter_add(&r->counters.deliveries, 1);
	/* Receipts, presence and control are worth nothing to somebody who is not here, and a room's message neither. */
	if (key.kind == KEY_USER && !type_reserved(r->envelope.message.type))
		d->reply = reply;
	else
		freeReplyObject(reply);
	r->batch[r->batch_n++] = &d->bus;
	if (r->batch_n == BATCH_MAX)
		inbox_flush(r);
}

void inbox_flush(struct redis *r)
{
	size_t n = r->batch_n;

	r->batch_n = 0;
	if (n && !r->over)
		bus_up_message(r->bus, r->batch, n);
}

/* --- strays ------------------------------------------------------------------------------------------------------- */

static void wait_in_line(struct redis *r, struct delivery *d)
{
	d->next_stray = NULL;
	if (r->strays_head)
		r->strays_tail->next_stray = d;
	else
		r->strays_head = d;
	r->strays_tail = d;
}

static void make_stray(struct redis *r, struct delivery *d)
{
	counter_add(&r->counters.strays, 1);
	if (r->strays_bytes + d->body.n > STRAYS_BYTES_MAX) {
		counter_add(&r->counters.strays_dropped, 1);
		log_limited(&r->strays_limit, r->now_ms, LOG_LEVEL_ERROR, "bus.strays_dropped",
		            "key=%s hint=\"Redis has not taken messages for absent users for too long\"",
		            LOG_QUOTED(key_str(&d->bus.targets[0].key)));
		delivery_free(r, d);
		return;
	}
	counter_add(&r->counters.strays_waiting, 1);
	d->stray = true;
	r->strays_bytes += d->body.n;
	wait_in_line(r, d);
}

static void end_stray(struct redis *r, struct delivery *d)
{
	counter_sub(&r->counters.strays_waiting, 1);
	r->strays_bytes -= d->body.n;
	delivery_free(r, d);
}

void inbox_send_strays(struct redis *r)
{
	while (r->strays_head && r->strays_out < STRAYS_MAX && r->publisher.state == PIPELINE_UP &&
	       r->now_ms >= r->strays_retry_ms) {
		struct delivery *d = r->strays_head;
		r->strays_head = d->next_stray;
		r->strays_out++;
		outbox_hand_over(r, &d->request, &d->bus.targets[0].key, d->line, d->body, true);
	}
}

void inbox_on_stray_answer(struct redis *r, struct request *request, const redisReply *reply)
{
	struct delivery *d = GRID_CONTAINER_OF(request, struct delivery, request);

	r->strays_out--;
	if (reply->type != REDIS_REPLY_ERROR) {
		counter_add(&r->counters.handed_over, 1);
		end_stray(r, d);
		return;
	}
	counter_add(&r->counters.strays_refused, 1);
	log_limited(&r->strays_limit, r->now_ms, LOG_LEVEL_ERROR, "bus.refused", "what=stray why=%s",
	            LOG_QUOTED(str_from(reply->str)));
	r->strays_retry_ms = r->now_ms + STRAY_RETRY_MS;
	wait_in_line(r, d);
}

void inbox_on_stray_lost(struct redis *r, struct request *request)
{
	r->strays_out--;
	wait_in_line(r, GRID_CONTAINER_OF(request, struct delivery, request));
}

void inbox_settle(struct redis *r, struct bus_delivery *delivery, enum bus_settle_how how)
{
	struct delivery *d = GRID_CONTAINER_OF(delivery, struct delivery, bus);

	if (how != BUS_STRAY || !d->reply) {
		delivery_free(r, d);
		return;
	}
	make_stray(r, d);
	inbox_send_strays(r);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

void inbox_abandon(struct redis *r)
{
	struct delivery *d, *next;

	DL_FOREACH_SAFE(r->held, d, next) {
		if (d->reply && !d->stray)
			make_stray(r, d);
	}
}

void inbox_free(struct redis *r)
{
	struct delivery *d, *next;

	DL_FOREACH_SAFE(r->held, d, next) {
		delivery_free(r, d);
	}
}
