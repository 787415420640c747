#include "fake_broker.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

struct broker brokers[SIDES];

struct link *link_of(enum side side, int node)
{
	return &brokers[side].links[node];
}

void brokers_init(void)
{
	memset(brokers, 0, sizeof(brokers));
	brokers[SIDE_PRIMARY].keeps = true;
	for (int side = 0; side < SIDES; side++)
		for (int i = 0; i < NODES; i++)
			*link_of((enum side)side, i) =
			    (struct link){.broker = &brokers[side], .node = i, .lost = true, .bound_last = -1};
}

void brokers_deinit(void)
{
	for (int side = 0; side < SIDES; side++) {
		clear_items(&brokers[side].ghosts);
		while (brokers[side].store)
			dequeue(&brokers[side].store, brokers[side].store);
	}
}

/* --- what comes to a broker --------------------------------------------------------------------------------------- */

static enum bus_publish_result broker_store(struct broker *b, const struct bus_publication *message)
{
	messages[record_of(&message->message)].offline++;
	enqueue(&b->store, message);
	return BUS_UNROUTED;
}

static enum bus_publish_result broker_route(struct broker *b, const struct bus_publication *message)
{
	int key = key_index(&message->key), receivers = 0;

	if (message->reach == BUS_TO_ABSENT)
		return broker_store(b, message);
	for (int i = 0; i < NODES; i++) {
		struct link *link = &b->links[i];
		if (!link->bound[key] || (!b->keeps && !link->up))
			continue;
		receivers++;
		if (b->keeps)
			enqueue(&link->queue, message);
		else
			item_new(&link->out[LINE_KEYS], TO_NODE_DELIVERY)->message = copy_of(message);
	}
	if (receivers || key != USER_KEY)
		return BUS_CONFIRMED;
	return message->reach == BUS_TO_ANYBODY ? broker_store(b, message) : BUS_UNROUTED;
}

static void announce_to_all(struct broker *b, const char *text)
{
	for (int i = 0; i < NODES; i++)
		if (b->links[i].up)
			snprintf(item_new(&b->links[i].out[LINE_KEYS], TO_NODE_ANNOUNCED)->text, sizeof(((struct item *)0)->text),
			         "%s", text);
}

static void broker_read_store(struct broker *b, struct link *link)
{
	struct item *answer = item_new(&link->out[LINE_MESSAGES], TO_NODE_STORED);
	int n = 0;

	if (b->turn && b->turn != link->node + 1)
		return;
	for (struct queued *q = b->store; q && n < STORED_AT_ONCE; q = q->next)
		answer->stored[n++] = copy_of(q->message);
	b->turn = n ? link->node + 1 : 0;
}

static void broker_delete_moved(struct broker *b, int n)
{
	for (; n > 0; n--) {
		messages[record_of(&b->store->message->message)].offline--;
		dequeue(&b->store, b->store);
	}
	b->turn = 0;
}

static void bind_or_unbind(struct link *link, const struct item *item)
{
	link->bound[item->key] = item->kind == TO_BROKER_BIND && !link->refuses[item->key];
	if (link->bound[item->key])
		link->bound_last = item->key;
}

/* `link` is NULL for what a link that is gone has left behind. */
static void broker_take(struct broker *b, struct link *link, struct item *item)
{
	enum bus_publish_result result = BUS_FAILED;
	struct item *answer;

	switch (item->kind) {
	case TO_BROKER_PUBLISH:
		result = broker_route(b, item->message);
		break;
	case TO_BROKER_BIND:
	case TO_BROKER_UNBIND:
		if (link)
			bind_or_unbind(link, item);
		break;
	case TO_BROKER_FETCH:
		if (link)
			broker_read_store(b, link);
		return;
	case TO_BROKER_MOVED:
		if (b->turn == item->node + 1)
			broker_delete_moved(b, item->key);
		return;
	default:
		announce_to_all(b, item->text);
		if (link)
			item_new(&link->out[LINE_MESSAGES], TO_NODE_SAID);
		return;
	}
	if (!link)
		return;
	if (item->kind == TO_BROKER_PUBLISH)
		answer = item_new(&link->out[LINE_MESSAGES], TO_NODE_PUBLISHED);
	else
		answer = item_new(&link->out[LINE_KEYS], TO_NODE_BOUND);
	if (item->kind == TO_BROKER_PUBLISH && answer->due_ms < grid_now + link->slow_ms)
		answer->due_ms = grid_now + link->slow_ms;
	answer->number = item->number;
	if (item->kind == TO_BROKER_BIND && link->refuses[item->key])
		answer->bound = BUS_BIND_REFUSED;
	answer->result = result;
}

static void tell_blocked(struct link *link, bool blocked)
{
	if (link->up && link->knows_blocked != blocked)
		item_new(&link->out[LINE_MESSAGES], blocked ? TO_NODE_BLOCKED : TO_NODE_UNBLOCKED);
	link->knows_blocked = blocked;
}

/* Binds of one link are done one after the other. */
static bool bind_waits(const struct broker *b, struct link *link, const struct item *item)
{
	if (item->kind != TO_BROKER_BIND)
		return false;
	if (grid_now < link->bind_ms)
		return true;
	link->bind_ms = grid_now + b->bind_takes_ms;
	return false;
}

/* A blocked one reads no messages, and goes on with keys. */
static void broker_read(struct broker *b, struct link *link, enum line line)
{
	for (struct item *item; (item = link->in[line]) && item->due_ms <= grid_now;) {
		if (bind_waits(b, link, item))
			return;
		if (b->blocked && item->kind == TO_BROKER_PUBLISH) {
			tell_blocked(link, true);
			return;
		}
		DL_DELETE(link->in[line], item);
		broker_take(b, link, item);
		item_free(item);
	}
}

static void broker_deliver(struct link *link)
{
	struct queued *q;

	DL_FOREACH(link->queue, q) {
		if (q->sent)
			continue;
		q->sent = true;
		struct item *item = item_new(&link->out[LINE_KEYS], TO_NODE_DELIVERY);
		item->message = copy_of(q->message);
		item->queued = q;
	}
}

static void cut_line(struct link *link, enum line line)
{
	struct broker *b = link->broker;

	for (struct item *item; (item = link->in[line]);) {
		DL_DELETE(link->in[line], item);
		bool arrives = !b->dead && chance(8) != 0;
		if (arrives && (b->frozen || b->blocked)) {
			DL_APPEND(b->ghosts, item);
			continue;
		}
		if (arrives)
			broker_take(b, item->kind == TO_BROKER_PUBLISH || item->kind == TO_BROKER_FETCH ? NULL : link, item);
		item_free(item);
		if (!arrives)
			clear_items(&link->in[line]);
	}
}

void cut(struct link *link, uint64_t notice_after_ms)
{
	struct broker *b = link->broker;
	struct queued *q;

	if (!link->up)
		return;
	for (int line = 0; line < LINES; line++)
		cut_line(link, (enum line)line);
	for (int line = 0; line < LINES; line++)
		clear_items(&link->out[line]);
	if (b->turn == link->node + 1)
		b->turn = 0; /* as it would expire */
	DL_FOREACH(link->queue, q)
		q->sent = false;
	if (!b->keeps) {
		memset(link->bound, 0, sizeof(link->bound));
		link->lost = true;
	}
	link->up = false;
	link->life++;
	link->knows_blocked = link->announces = false;
	link->notice_ms = grid_now + notice_after_ms + 1;
	link->connect_ms = link->notice_ms + 50 + chance(500);
}

void kill_broker(enum side side, bool bindings_too)
{
	struct broker *b = &brokers[side];

	b->dead = true;
	b->frozen = b->blocked = false;
	clear_items(&b->ghosts);
	for (int i = 0; i < NODES; i++) {
		struct link *link = &b->links[i];
		cut(link, chance(200));
		while (link->queue)
			dequeue(&link->queue, link->queue);
		if (bindings_too) {
			memset(link->bound, 0, sizeof(link->bound));
			link->lost = true;
		} else if (link->bound_last >= 0 && chance(2)) {
			link->bound[link->bound_last] = false;
		}
	}
}

void start_broker(enum side side)
{
	brokers[side].dead = false;
	for (int i = 0; i < NODES; i++)
		brokers[side].links[i].connect_ms = grid_now + 50 + chance(1000);
}

void thaw(enum side side)
{
	struct broker *b = &brokers[side];

	b->frozen = b->blocked = false;
	for (struct item *item; (item = b->ghosts);) {
		DL_DELETE(b->ghosts, item);
		broker_take(b, NULL, item);
		item_free(item);
	}
	for (int i = 0; i < NODES; i++)
		tell_blocked(&b->links[i], false);
}

void link_step(struct link *link)
{
	struct broker *b = link->broker;
	bool moves = !b->dead && !b->frozen;

	if (link->up && !moves && !link->frozen_ms)
		link->frozen_ms = grid_now;
	if (moves || !link->up)
		link->frozen_ms = 0;
	/* Heartbeats: two of 10 s on the primary, a watchdog of 1.5 s on the fallback. */
	if (link->frozen_ms && grid_now - link->frozen_ms >= (b->keeps ? 20000u : 1500u))
		cut(link, 0);
	if (!moves)
		return;
	if (!link->up && !link->held_down && !link->notice_ms && grid_now >= link->connect_ms)
		link->up = true;
	if (link->up) {
		broker_read(b, link, LINE_KEYS);
		broker_read(b, link, LINE_MESSAGES);
		broker_deliver(link);
	}
}
