#include "bench/publisher_amqp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define BATCH 64

enum { PERSISTENT = 2 };

static struct publisher_amqp *of_base(const struct publisher *base)
{
	return GRID_CONTAINER_OF(base, struct publisher_amqp, base);
}

static struct publisher_amqp *of_link(struct amqp_link *link)
{
	return GRID_CONTAINER_OF(link, struct publisher_amqp, link);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static void list_add(struct letter *head, struct letter *letter)
{
	letter->prev = head->prev;
	letter->next = head;
	head->prev->next = letter;
	head->prev = letter;
}

static void list_remove(struct letter *letter)
{
	letter->prev->next = letter->next;
	letter->next->prev = letter->prev;
}

static void post(struct publisher_amqp *publisher, struct letter *letter, enum publisher_answer answer)
{
	letter->answer = answer;
	letter->answered_us = clock_mono_us();
	/* It has room for all letters there are. */
	GRID_ASSERT(mailbox_push(publisher->out, letter) == 0);
}

/* Confirms come nearly in order: what is looked for stands near the front. */
static void on_confirm(struct publisher_amqp *publisher, uint64_t tag, bool multiple, enum publisher_answer answer)
{
	struct letter *head = &publisher->unconfirmed;

	for (struct letter *next, *letter = head->next; letter != head && letter->tag <= tag; letter = next) {
		next = letter->next;
		if (!multiple && letter->tag != tag)
			continue;
		list_remove(letter);
		post(publisher, letter, answer);
	}
}

static int on_frame(struct amqp_link *link, const amqp_frame_t *frame)
{
	struct publisher_amqp *publisher = of_link(link);
	const amqp_method_t *method = &frame->payload.method;

	if (frame->frame_type != AMQP_FRAME_METHOD)
		return 0;
	if (method->id == AMQP_BASIC_ACK_METHOD) {
		const amqp_basic_ack_t *ack = method->decoded;
		on_confirm(publisher, ack->delivery_tag, ack->multiple, PUBLISHER_ACKNOWLEDGED);
	} else if (method->id == AMQP_BASIC_NACK_METHOD) {
		const amqp_basic_nack_t *nack = method->decoded;
		on_confirm(publisher, nack->delivery_tag, nack->multiple, PUBLISHER_REFUSED);
	} else if (method->id == AMQP_CONNECTION_BLOCKED_METHOD || method->id == AMQP_CONNECTION_UNBLOCKED_METHOD) {
		atomic_store(&publisher->blocked, method->id == AMQP_CONNECTION_BLOCKED_METHOD);
	}
	return 0;
}

static int on_established(struct amqp_link *link)
{
	struct publisher_amqp *publisher = of_link(link);

	amqp_confirm_select(link->conn, AMQP_LINK_CHANNEL);
	publisher->next_tag = 1;
	atomic_store(&publisher->blocked, false);
	return amqp_link_reply(link, "asking for confirms", amqp_get_rpc_reply(link->conn));
}

static int publish(struct publisher_amqp *publisher, struct letter *letter)
{
	amqp_basic_properties_t properties = {._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG};

	properties.content_type = amqp_from_str(STR("application/json"));
	properties.app_id = amqp_from_str(STR("gridbench"));
	if (publisher->persistent) {
		properties._flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
		properties.delivery_mode = PERSISTENT;
	}
	/* What it took from the loop to here is ours, not the grid's. */
	payload_stamp(&letter->body, publisher->base.load->run, clock_mono_us());
	letter->tag = publisher->next_tag++;
	list_add(&publisher->unconfirmed, letter);
	return amqp_link_status(&publisher->link, "publishing",
	                        amqp_basic_publish(publisher->link.conn, AMQP_LINK_CHANNEL,
	                                           amqp_from_str(str_from(letter->exchange)),
	                                           amqp_from_str(str_from(letter->key)), 0, 0, &properties,
	                                           amqp_from_str(buf_str(&letter->body))));
}

/* What has been taken out of the mailbox is sent or lost: after a failure it stands among the unconfirmed as well. */
static int on_idle(struct amqp_link *link)
{
	struct publisher_amqp *publisher = of_link(link);
	void *items[BATCH];
	size_t n;
	int r = 0;

	while (r == 0 && !atomic_load(&publisher->blocked) && (n = mailbox_pop(publisher->in, items, BATCH)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (r == 0)
				r = publish(publisher, items[i]);
			else
				list_add(&publisher->unconfirmed, items[i]);
		}
	}
	return r;
}

static void on_lost(struct amqp_link *link)
{
	struct publisher_amqp *publisher = of_link(link);
	void *items[BATCH];
	size_t n;

	on_confirm(publisher, UINT64_MAX, true, PUBLISHER_UNKNOWN);
	while ((n = mailbox_pop(publisher->in, items, BATCH)) > 0)
		for (size_t i = 0; i < n; i++)
			post(publisher, items[i], PUBLISHER_UNKNOWN);
}

static const struct amqp_link_handler link_handler = {on_established, on_frame, on_idle, on_lost};

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static bool ready(const struct publisher *base)
{
	const struct publisher_amqp *publisher = of_base(base);
	return amqp_link_up(&publisher->link) && !atomic_load(&publisher->blocked);
}

static void send_message(struct publisher *base, uint32_t slot, const struct message_id *id, struct str payload)
{
	struct publisher_amqp *publisher = of_base(base);
	struct letter *letter = &publisher->letters[slot];
	uint32_t rooms = base->load->rooms;
	bool room = id->target < rooms;
	const struct bench_name name =
	    room ? bench_room(base->load->run.p, id->target) : bench_user(base->load->run.p, id->target - rooms);

	letter->slot = slot;
	letter->exchange = publisher->exchanges[room ? 0 : 1];
	snprintf(letter->key, sizeof(letter->key), "%s.%s", room ? "room" : "user", name.text);
	buf_reset(&letter->body);
	buf_put_str(&letter->body, payload);
	if (letter->body.failed)
		reactor_fail(publisher->bell.reactor, -ENOMEM);
	GRID_ASSERT(mailbox_push(publisher->in, letter) == 0);
}

/* The mailbox has woken its reader already. */
static void flush(struct publisher *base)
{
	(void)base;
}

const struct publisher_ops publisher_amqp_ops = {ready, send_message, flush};

static void take(struct publisher_amqp *publisher)
{
	void *items[BATCH];
	size_t n;

	while ((n = mailbox_pop(publisher->out, items, BATCH)) > 0) {
		for (size_t i = 0; i < n; i++) {
			const struct letter *letter = items[i];
			publisher_answered(&publisher->base, letter->slot, letter->answer, letter->answered_us);
		}
	}
}

static void on_bell(struct bell *bell)
{
	take(GRID_CONTAINER_OF(bell, struct publisher_amqp, bell));
}

/* --- making and freeing ------------------------------------------------------------------------------------------- */

static void free_parts(struct publisher_amqp *publisher)
{
	for (uint32_t i = 0; publisher->letters && i < publisher->base.window; i++)
		buf_deinit(&publisher->letters[i].body);
	free(publisher->letters);
	mailbox_free(publisher->in);
	mailbox_free(publisher->out);
	bell_deinit(&publisher->bell);
}

static int make_parts(struct publisher_amqp *publisher)
{
	size_t window = publisher->base.window;

	publisher->letters = calloc(window, sizeof(*publisher->letters));
	publisher->in = mailbox_new(window, amqp_link_wake, &publisher->link);
	publisher->out = mailbox_new(window, bell_ring, &publisher->bell);
	return publisher->letters && publisher->in && publisher->out ? 0 : -ENOMEM;
}

int publisher_amqp_init(struct publisher_amqp *publisher, struct reactor *reactor, const char *uri, const char *prefix,
                        bool persistent)
{
	publisher->persistent = persistent;
	publisher->unconfirmed.prev = publisher->unconfirmed.next = &publisher->unconfirmed;
	snprintf(publisher->name, sizeof(publisher->name), "gridbench publisher %u", publisher->base.number);
	snprintf(publisher->exchanges[0], sizeof(publisher->exchanges[0]), "%s.rooms", prefix);
	snprintf(publisher->exchanges[1], sizeof(publisher->exchanges[1]), "%s.users", prefix);
	int r = bell_init(&publisher->bell, reactor, on_bell);
	if (r != 0)
		return r;
	r = make_parts(publisher);
	if (r == 0)
		r = amqp_link_init(&publisher->link, &link_handler, publisher->name, uri);
	if (r != 0)
		free_parts(publisher);
	return r;
}

int publisher_amqp_start(struct publisher_amqp *publisher)
{
	return amqp_link_start(&publisher->link);
}

void publisher_amqp_stop(struct publisher_amqp *publisher)
{
	amqp_link_stop(&publisher->link);
}

void publisher_amqp_deinit(struct publisher_amqp *publisher)
{
	amqp_link_deinit(&publisher->link);
	free_parts(publisher);
}
