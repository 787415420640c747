/* The stream of absent users' messages, read by one node at a time.
 *
 *   IDLE ──SET turn NX──▶ TURN ──XRANGE──▶ READ ──some──▶ LENT ──moved──▶ DELETE ──XDEL──▶ LEAVE ──DEL turn──▶ IDLE
 *                          │ another's       └──none──────────────────────────────────▶ LEAVE
 *                          └──▶ IDLE
 *
 * The turn ends by itself after a while, if this node dies with it. */
#include <stdio.h>
#include <stdlib.h>

#include "bus/redis/driver_state.h"

#define TURN_MS 30000

static void ask(struct redis *r, enum store_step step, const struct str *args, size_t n)
{
	r->store.step = step;
	r->store.request.kind = REQUEST_STORE;
	pipeline_ask(&r->publisher, &r->store.request, args, n);
}

int store_fetch(struct redis *r)
{
	if (r->store.step != STORE_IDLE)
		return BUS_E_BUSY;
	char turn_ms[16];

	snprintf(turn_ms, sizeof(turn_ms), "%d", TURN_MS);
	const struct str args[] = {STR("SET"), str_from(r->names.turn), str_from(r->node_id), STR("NX"),
	                           STR("PX"),  str_from(turn_ms)};
	r->store.turn_ms = r->now_ms;
	ask(r, STORE_TURN, args, GRID_ARRAY_LEN(args));
	return 0;
}

/* Our turn may be over, and another node's: then there is nothing to give back. */
static void leave(struct redis *r)
{
	if (r->now_ms - r->store.turn_ms >= TURN_MS)
		r->store.step = STORE_IDLE;
	else
		ask(r, STORE_LEAVE, (const struct str[]){STR("DEL"), str_from(r->names.turn)}, 2);
}

int store_moved(struct redis *r, size_t n)
{
	struct str args[2 + BUS_STORED_MAX] = {STR("XDEL"), str_from(r->names.offline)};

	GRID_ASSERT(r->store.step == STORE_LENT && n <= r->store.n);
	if (n < r->store.n)
		r->store.after[0] = '\0'; /* the others are tried again */
	for (size_t i = 0; i < n; i++)
		args[2 + i] = str_from(r->store.ids[i]);
	if (n)
		ask(r, STORE_DELETE, args, 2 + n);
	else
		leave(r);
	return 0;
}

/* With the other link lost nobody waits for an answer any more. */
static bool is_awaited(const struct redis *r)
{
	return r->state == BUS_UP && !r->going_down && !r->over;
}

static void tell(struct redis *r, const struct bus_stored *stored, size_t n)
{
	if (is_awaited(r))
		bus_up_stored(r->bus, stored, n);
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static struct str field(const redisReply *fields, const char *name)
{
	for (size_t i = 0; i + 1 < fields->elements; i += 2)
		if (str_eq((struct str){fields->element[i]->str, fields->element[i]->len}, str_from(name)))
			return (struct str){fields->element[i + 1]->str, fields->element[i + 1]->len};
	return STR_NONE;
}

/* What its properties say, if we can believe them; the body in any case. Points into `text` and `e`. */
static struct message message_of(struct redis *r, const struct key *key, struct str line, struct str body,
                                 struct buf *text, struct envelope *e)
{
	char channel_text[CHANNEL_MAX + 1];
	struct str channel = redis_channel(&r->names, key, channel_text);

	buf_puts(text, ENVELOPE_MAGIC);
	buf_put_str(text, line);
	buf_putc(text, '\n');
	buf_put_str(text, body);
	int rc = text->failed ? ENVELOPE_E_BAD : envelope_open(e, channel, buf_str(text), r->hmac);
	if (rc == ENVELOPE_E_UNSIGNED && r->config->redis.trust)
		rc = envelope_trust(e);
	if (rc == 0)
		return e->message;
	return (struct message){.body = body};
}

struct reading {
	struct bus_stored stored[BUS_STORED_MAX];
	struct buf texts[BUS_STORED_MAX];
	struct envelope envelopes[BUS_STORED_MAX];
	size_t n;
};

/* Entries that are none of ours are left where they are. */
static void read_entry(struct redis *r, const redisReply *entry, struct reading *reading)
{
	if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 || entry->element[1]->type != REDIS_REPLY_ARRAY)
		return;
	struct bus_stored *stored = &reading->stored[reading->n];
	const redisReply *fields = entry->element[1];
	struct str body = field(fields, "body");

	snprintf(r->store.after, sizeof(r->store.after), "(%s", entry->element[0]->str);
	if (!body.p || key_from_routing_key(field(fields, "key"), &stored->key) != 0 || stored->key.kind != KEY_USER)
		return;
	stored->message = message_of(r, &stored->key, field(fields, "properties"), body, &reading->texts[reading->n],
	                             &reading->envelopes[reading->n]);
	snprintf(r->store.ids[reading->n++], sizeof(r->store.ids[0]), "%s", entry->element[0]->str);
}

static void on_entries(struct redis *r, const redisReply *reply)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	r->store.n = 0;
	if (reply->elements == 0)
		r->store.after[0] = '\0'; /* from the beginning, the next time */
	for (size_t i = 0; reading && i < reply->elements && i < BUS_STORED_MAX; i++)
		read_entry(r, reply->element[i], reading);
	r->store.n = reading ? reading->n : 0;
	if (r->store.n && is_awaited(r))
		r->store.step = STORE_LENT;
	else
		leave(r);
	tell(r, reading ? reading->stored : NULL, r->store.n);
	for (size_t i = 0; reading && i < BUS_STORED_MAX; i++)
		buf_deinit(&reading->texts[i]);
	free(reading);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void read_on(struct redis *r)
{
	const char *from = r->store.after[0] ? r->store.after : "-";
	char max[8];

	snprintf(max, sizeof(max), "%d", BUS_STORED_MAX);
	const struct str args[] = {STR("XRANGE"), str_from(r->names.offline), str_from(from), STR("+"), STR("COUNT"),
	                           str_from(max)};
	ask(r, STORE_READ, args, GRID_ARRAY_LEN(args));
}

static void give_up(struct redis *r, const redisReply *reply)
{
	bool asked = r->store.step == STORE_TURN || r->store.step == STORE_READ;

	log_limited(&r->store_limit, r->now_ms, LOG_LEVEL_WARN, "bus.refused", "what=stored why=%s",
	            LOG_QUOTED(str_from(reply->str)));
	r->store.step = STORE_IDLE;
	if (asked)
		tell(r, NULL, 0);
}

void store_on_answer(struct redis *r, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR) {
		give_up(r, reply);
		return;
	}
	switch (r->store.step) {
	case STORE_TURN:
		if (reply->type == REDIS_REPLY_STATUS) {
			if (is_awaited(r))
				read_on(r);
			else
				leave(r);
			break;
		}
		r->store.step = STORE_IDLE; /* another's turn */
		tell(r, NULL, 0);
		break;
	case STORE_READ:
		on_entries(r, reply);
		break;
	case STORE_DELETE:
		leave(r);
		break;
	case STORE_IDLE:
	case STORE_LENT:
	case STORE_LEAVE:
		r->store.step = STORE_IDLE;
		break;
	}
}

void store_on_subscriber_lost(struct redis *r)
{
	if (r->store.step == STORE_LENT)
		leave(r); /* nobody will say what became of them */
}

void store_on_lost(struct redis *r)
{
	r->store.step = STORE_IDLE;
}
