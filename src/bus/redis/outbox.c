/* The publishing link: publications until their outcome is known, and the stream of absent users' messages.
 *
 *   PUBLISH ──answer: n receivers──▶ confirmed
 *      │ 0, and it is for a user
 *      └──▶ XADD <prefix>.offline ──answer──▶ unrouted
 *
 * What is for absent users only begins with the XADD. */
#include <errno.h>
#include <stdio.h>

#include "bus/redis/driver_state.h"

static void log_refused(struct redis *r, const char *what, const redisReply *reply)
{
	counter_add(&r->counters.refused, 1);
	log_limited(&r->refused_limit, r->now_ms, LOG_LEVEL_WARN, "bus.refused", "what=%s why=%s", what,
	            LOG_QUOTED(str_from(reply->type == REDIS_REPLY_ERROR ? reply->str : "no such answer is known")));
}

/* --- outcomes ----------------------------------------------------------------------------------------------------- */

static void tell(struct redis *r, struct letter *letter)
{
	struct bus_publication *publication = letter->publication;
	enum bus_publish_result result = letter->result;

	letter->publication = NULL;
	letter->next = r->free_letters;
	r->free_letters = letter;
	if (r->over) {
		bus_publication_free(publication);
		return;
	}
	inbox_flush(r);
	bus_up_published(r->bus, publication, result);
}

static void finish(struct redis *r, struct letter *letter, enum bus_publish_result result)
{
	letter->done = true;
	letter->result = result;
	while (r->letters_head && r->letters_head->done) {
		struct letter *first = r->letters_head;
		r->letters_head = first->next;
		tell(r, first);
	}
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

int outbox_publish(struct redis *r, struct bus_publication *publication)
{
	struct letter *letter = r->free_letters;
	char channel_text[CHANNEL_MAX + 1];
	struct str channel = redis_channel(&r->names, &publication->key, channel_text);

	if (!letter)
		return BUS_E_BUSY;
	bool absent = publication->reach == BUS_TO_ABSENT;
	buf_reset(&r->scratch);
	(absent ? envelope_put_line : envelope_put)(&r->scratch, channel, &publication->message, r->hmac);
	if (r->scratch.failed)
		return -ENOMEM;
	r->free_letters = letter->next;
	*letter = (struct letter){.request.kind = REQUEST_PUBLICATION, .publication = publication, .handed_over = absent};
	if (r->letters_head)
		r->letters_tail->next = letter;
	else
		r->letters_head = letter;
	r->letters_tail = letter;
	counter_add(&r->counters.published, 1);
	if (absent)
		outbox_hand_over(r, &letter->request, &publication->key, buf_str(&r->scratch), publication->message.body,
		                 false);
	else
		pipeline_ask(&r->publisher, &letter->request,
		             (const struct str[]){STR("PUBLISH"), channel, buf_str(&r->scratch)}, 3);
	return 0;
}

void outbox_hand_over(struct redis *r, struct request *request, const struct key *key, struct str line, struct str body,
                      bool stray)
{
	char max[24];
	struct str args[PIPELINE_ARGS_MAX];
	size_t n = 0;

	snprintf(max, sizeof(max), "%lld", (long long)r->config->redis.offline_max);
	const struct str fixed[] = {
	    STR("XADD"),  str_from(r->names.offline), STR("MAXLEN"), STR("~"),    str_from(max), STR("*"), STR("key"),
	    key_str(key), STR("properties"),          line,          STR("body"), body};
	memcpy(args, fixed, sizeof(fixed));
	n = GRID_ARRAY_LEN(fixed);
	if (stray) {
		args[n++] = STR("stray");
		args[n++] = str_from(r->node_id);
	}
	pipeline_ask(&r->publisher, request, args, n);
}

void outbox_send_check(struct redis *r)
{
	r->check = CHECK_SENT;
	r->check_out = true;
	r->check_request.kind = REQUEST_CHECK;
	pipeline_ask(&r->publisher, &r->check_request,
	             (const struct str[]){STR("PUBLISH"), str_from(r->names.check), STR("")}, 3);
}

/* One at a time: its request lies in the driver. */
int outbox_announce(struct redis *r, struct str body)
{
	const struct message m = {.type = STR(TYPE_NOTICE), .body = body};
	struct str channel = str_from(r->names.nodes);

	if (r->announce_out)
		return BUS_E_BUSY;
	buf_reset(&r->scratch);
	envelope_put(&r->scratch, channel, &m, r->hmac);
	if (r->scratch.failed)
		return -ENOMEM;
	r->announce_out = true;
	r->announce_request.kind = REQUEST_ANNOUNCE;
	pipeline_ask(&r->publisher, &r->announce_request,
	             (const struct str[]){STR("PUBLISH"), channel, buf_str(&r->scratch)}, 3);
	return 0;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void hand_over_letter(struct redis *r, struct letter *letter)
{
	const struct bus_publication *publication = letter->publication;
	char channel_text[CHANNEL_MAX + 1];
	struct str channel = redis_channel(&r->names, &publication->key, channel_text);

	buf_reset(&r->scratch);
	envelope_put_line(&r->scratch, channel, &publication->message, r->hmac);
	if (r->scratch.failed) {
		finish(r, letter, BUS_FAILED);
		return;
	}
	letter->handed_over = true;
	outbox_hand_over(r, &letter->request, &publication->key, buf_str(&r->scratch), publication->message.body, false);
}

static void on_published(struct redis *r, struct letter *letter, const redisReply *reply)
{
	const struct bus_publication *publication = letter->publication;

	if (reply->type != REDIS_REPLY_INTEGER) {
		log_refused(r, "publish", reply);
		finish(r, letter, BUS_FAILED);
	} else if (reply->integer > 0 || publication->key.kind != KEY_USER) {
		finish(r, letter, BUS_CONFIRMED);
	} else if (publication->reach == BUS_TO_PRESENT || type_reserved(publication->message.type)) {
		finish(r, letter, BUS_UNROUTED); /* worth nothing to somebody who is not here */
	} else {
		hand_over_letter(r, letter);
	}
}

static void on_handed_over(struct redis *r, struct letter *letter, const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS) {
		log_refused(r, "offline", reply);
		finish(r, letter, BUS_FAILED);
		return;
	}
	counter_add(&r->counters.handed_over, 1);
	finish(r, letter, BUS_UNROUTED);
}

static void on_check(struct redis *r, const redisReply *reply)
{
	r->check_out = false;
	if (r->check != CHECK_SENT)
		return; /* a link was lost meanwhile */
	if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
		r->check = CHECK_PASSED;
		return;
	}
	const char *why = reply->type == REDIS_REPLY_ERROR ? reply->str : "the two links do not lead to the same server";
	pipeline_give_up(&r->subscriber, "check: %s", why);
	pipeline_give_up(&r->publisher, "check: %s", why);
}

static void on_announced(struct redis *r, const redisReply *reply)
{
	r->announce_out = false;
	if (reply->type == REDIS_REPLY_ERROR)
		log_refused(r, "announce", reply);
}

void outbox_on_answer(struct redis *r, struct pipeline_answer *answer)
{
	struct letter *letter = GRID_CONTAINER_OF(answer->request, struct letter, request);

	if (!answer->request) {
		/* A message: we subscribe to nothing here. */
	} else if (answer->request->kind == REQUEST_STRAY) {
		inbox_on_stray_answer(r, answer->request, answer->reply);
	} else if (answer->request->kind == REQUEST_CHECK) {
		on_check(r, answer->reply);
	} else if (answer->request->kind == REQUEST_ANNOUNCE) {
		on_announced(r, answer->reply);
	} else if (answer->request->kind == REQUEST_STORE) {
		store_on_answer(r, answer->reply);
	} else if (letter->handed_over) {
		on_handed_over(r, letter, answer->reply);
	} else {
		on_published(r, letter, answer->reply);
	}
	freeReplyObject(answer->reply);
}

void outbox_on_lost(struct redis *r)
{
	struct request *request;

	r->check_out = r->announce_out = false;
	store_on_lost(r);
	while ((request = pipeline_take_unanswered(&r->publisher))) {
		if (request->kind == REQUEST_STRAY)
			inbox_on_stray_lost(r, request);
		else if (request->kind == REQUEST_PUBLICATION)
			finish(r, GRID_CONTAINER_OF(request, struct letter, request), BUS_FAILED);
	}
}
