/* Two fake brokers for the failover driver, the wires of each node to them, and the driver on such a wire. Brokers can
 * be killed, frozen and blocked, single wires cut, and everything travels with delays by chance (of a seed, so that
 * what was found is found again). The clock is the test's.
 *
 *   fake driver ── wire ── broker with a queue for each node         (the primary, like RabbitMQ)
 *   fake driver ── wire ── broker that passes on to who is here      (the fallback, like Redis)
 */
#ifndef GRID_TESTS_BUS_FAKE_BROKER_H
#define GRID_TESTS_BUS_FAKE_BROKER_H

#include <stdio.h>
#include <utlist.h>

#include "base/log.h"
#include "bus/bus.h"
#include "bus/failover/failover.h"
#include "check_main.h"

#define NODES 3
#define KEYS 4 /* three rooms and a user */
#define USER_KEY 3
#define STEP_MS 10
#define STORED_AT_ONCE 3
#define WINDOW 16 /* publishes and binds under way on one link */
#define MESSAGES_MAX 20000

/* --- chance ---------------------------------------------------------------------------------------------------------
 */

static uint64_t grid_seed;

static uint64_t chance(uint64_t below)
{
	grid_seed = grid_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (grid_seed >> 33) % below;
}

/* --- what there is --------------------------------------------------------------------------------------------------
 */

enum item_kind {
	TO_BROKER_PUBLISH,
	TO_BROKER_BIND,
	TO_BROKER_UNBIND,
	TO_BROKER_ANNOUNCE,
	TO_BROKER_FETCH, /* what is kept for absent users */
	TO_BROKER_MOVED, /* so many of them (`key`) are elsewhere */
	TO_NODE_PUBLISHED,
	TO_NODE_BOUND,
	TO_NODE_DELIVERY,
	TO_NODE_ANNOUNCED,
	TO_NODE_SAID, /* its announcement has been made */
	TO_NODE_STORED,
	TO_NODE_BLOCKED,
	TO_NODE_UNBLOCKED,
};

/* A message in a node's queue on the primary. */
struct queued {
	struct queued *prev, *next;
	struct bus_publication *message;
	bool sent; /* not acknowledged yet */
};

struct item {
	struct item *prev, *next;
	enum item_kind kind;
	uint64_t due_ms;
	uint64_t number; /* of the publish or bind */
	int key;
	int node;
	enum bus_publish_result result;
	struct bus_publication *message; /* a copy */
	struct queued *queued;
	struct bus_publication *stored[STORED_AT_ONCE];
	char text[256];
};

struct flying {
	struct flying *prev, *next;
	uint64_t number;
	struct bus_publication *publication; /* or a bind of `key` */
	int key;
};

struct broker;

struct link {
	struct broker *broker;
	int node;
	struct bus *bus;
	const struct siphash_key *identity_key;
	bool up; /* the wire is whole */
	uint64_t life;
	enum bus_state told;
	uint64_t notice_ms; /* when the node notices that it is cut; 0: nothing to notice */
	uint64_t connect_ms;
	uint64_t bind_ms;   /* when it takes the next bind */
	uint64_t frozen_ms; /* since when nothing moves */
	bool held_down;     /* does not connect */
	bool knows_blocked;
	bool announces; /* one is under way */
	struct item *in, *out;
	struct flying *publishes, *binds;
	int n_publishes, n_binds;
	uint64_t last_number;
	bool bound[KEYS];
	bool lost; /* bindings, since the node was last told */
	struct queued *queue;
	struct fake_delivery *lent;
};

struct broker {
	bool keeps; /* queues for those who are away */
	bool dead, frozen, blocked;
	uint64_t bind_takes_ms; /* each, from one link */
	struct link links[NODES];
	struct queued *store; /* messages of absent users */
	int turn;             /* 1 + the node that reads it; 0: nobody */
	struct item *ghosts;  /* sent to it while it was frozen, over links that are gone */
};

struct fake_delivery {
	struct fake_delivery *prev, *next;
	struct link *link;
	uint64_t life;
	struct queued *queued;
	struct bus_delivery d; /* last: ends in an array */
};

struct message_record {
	int from, key;
	uint64_t accepted_ms;
	int result; /* -1: not answered */
	int got[NODES];
	int offline; /* copies for absent users */
};

static struct broker brokers[SIDES];
static struct message_record messages[MESSAGES_MAX];
static size_t n_messages;
static uint64_t grid_now;
static struct key keys[KEYS];
static uint64_t latency_ms; /* at most, each way */

static struct link *link_of(enum side side, int node)
{
	return &brokers[side].links[node];
}

static int key_index(const struct key *key)
{
	for (int i = 0; i < KEYS; i++)
		if (key_eq(key, &keys[i]))
			return i;
	ck_abort_msg("unknown key %s", key->text);
}

static int record_of(const struct message *m)
{
	return atoi(m->body.p);
}

/* --- wires ----------------------------------------------------------------------------------------------------------
 */

static struct item *item_new(struct item **list, enum item_kind kind)
{
	struct item *item = calloc(1, sizeof(*item));
	struct item *last = *list ? (*list)->prev : NULL;

	item->kind = kind;
	item->due_ms = grid_now + chance(latency_ms + 1);
	if (last && last->due_ms > item->due_ms)
		item->due_ms = last->due_ms;
	DL_APPEND(*list, item);
	return item;
}

static void item_free(struct item *item)
{
	bus_publication_free(item->message);
	for (int i = 0; i < STORED_AT_ONCE; i++)
		bus_publication_free(item->stored[i]);
	free(item);
}

static void clear_items(struct item **list)
{
	struct item *item, *next;

	DL_FOREACH_SAFE(*list, item, next) {
		DL_DELETE(*list, item);
		item_free(item);
	}
}

static struct bus_publication *copy_of(const struct bus_publication *p)
{
	struct bus_publication *copy = bus_publication_new(&p->key, &p->message, NULL);
	copy->reach = p->reach;
	return copy;
}

/* --- brokers --------------------------------------------------------------------------------------------------------
 */

static void enqueue(struct queued **queue, const struct bus_publication *message)
{
	struct queued *q = calloc(1, sizeof(*q));
	q->message = copy_of(message);
	DL_APPEND(*queue, q);
}

static void dequeue(struct queued **queue, struct queued *q)
{
	DL_DELETE(*queue, q);
	bus_publication_free(q->message);
	free(q);
}

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
			item_new(&link->out, TO_NODE_DELIVERY)->message = copy_of(message);
	}
	if (receivers || key != USER_KEY)
		return BUS_CONFIRMED;
	return message->reach == BUS_TO_ANYBODY ? broker_store(b, message) : BUS_UNROUTED;
}

static void announce_to_all(struct broker *b, const char *text)
{
	for (int i = 0; i < NODES; i++)
		if (b->links[i].up)
			snprintf(item_new(&b->links[i].out, TO_NODE_ANNOUNCED)->text, sizeof(((struct item *)0)->text), "%s", text);
}

static void broker_read_store(struct broker *b, struct link *link)
{
	struct item *answer = item_new(&link->out, TO_NODE_STORED);
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
			link->bound[item->key] = item->kind == TO_BROKER_BIND;
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
			item_new(&link->out, TO_NODE_SAID);
		return;
	}
	if (!link)
		return;
	answer = item_new(&link->out, item->kind == TO_BROKER_PUBLISH ? TO_NODE_PUBLISHED : TO_NODE_BOUND);
	answer->number = item->number;
	answer->result = result;
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

static void tell_blocked(struct link *link, bool blocked)
{
	if (link->up && link->knows_blocked != blocked)
		item_new(&link->out, blocked ? TO_NODE_BLOCKED : TO_NODE_UNBLOCKED);
	link->knows_blocked = blocked;
}

/* While it is blocked, binds overtake publishes: the real one has a connection for each. */
static void broker_read(struct broker *b, struct link *link)
{
	struct item *item, *next;

	DL_FOREACH_SAFE(link->in, item, next) {
		if (item->due_ms > grid_now || bind_waits(b, link, item))
			return;
		if (b->blocked && item->kind == TO_BROKER_PUBLISH) {
			tell_blocked(link, true);
			continue;
		}
		DL_DELETE(link->in, item);
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
		struct item *item = item_new(&link->out, TO_NODE_DELIVERY);
		item->message = copy_of(q->message);
		item->queued = q;
	}
}

/* The wire breaks. What was on it to the broker arrives up to some point; what was on it to the node does not. */
static void cut(struct link *link, uint64_t notice_after_ms)
{
	struct broker *b = link->broker;
	struct queued *q;

	if (!link->up)
		return;
	for (struct item *item; (item = link->in);) {
		DL_DELETE(link->in, item);
		bool arrives = !b->dead && chance(8) != 0;
		if (arrives && (b->frozen || b->blocked)) {
			DL_APPEND(b->ghosts, item);
			continue;
		}
		if (arrives)
			broker_take(b, item->kind == TO_BROKER_PUBLISH || item->kind == TO_BROKER_FETCH ? NULL : link, item);
		item_free(item);
		if (!arrives)
			clear_items(&link->in);
	}
	clear_items(&link->out);
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

static void kill_broker(enum side side, bool bindings_too)
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
		}
	}
}

static void start_broker(enum side side)
{
	brokers[side].dead = false;
	for (int i = 0; i < NODES; i++)
		brokers[side].links[i].connect_ms = grid_now + 50 + chance(1000);
}

static void thaw(enum side side)
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

static void link_step(struct broker *b, struct link *link)
{
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
		broker_read(b, link);
		broker_deliver(link);
	}
}

/* --- the driver on a link -------------------------------------------------------------------------------------------
 */

static int fake_open(struct bus *bus, enum side side, const struct bus_env *env, void **implp)
{
	struct link *link = link_of(side, env->node_id[1] - '0');
	link->bus = bus;
	link->identity_key = env->identity_key;
	*implp = link;
	return 0;
}

static int fake_open_primary(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp)
{
	(void)config;
	return fake_open(bus, SIDE_PRIMARY, env, implp);
}

static int fake_open_fallback(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp)
{
	(void)config;
	return fake_open(bus, SIDE_FALLBACK, env, implp);
}

static void flying_free(struct flying **list)
{
	struct flying *fly, *next;

	DL_FOREACH_SAFE(*list, fly, next) {
		bus_publication_free(fly->publication);
		free(fly);
	}
	*list = NULL;
}

static void fake_close(void *impl)
{
	struct link *link = impl;
	struct fake_delivery *lent, *next;

	flying_free(&link->publishes);
	flying_free(&link->binds);
	clear_items(&link->in);
	clear_items(&link->out);
	while (link->queue)
		dequeue(&link->queue, link->queue);
	DL_FOREACH_SAFE(link->lent, lent, next) {
		bus_delivery_deinit(&lent->d);
		free(lent);
	}
}

static struct flying *fly(struct flying **list, struct link *link)
{
	struct flying *f = calloc(1, sizeof(*f));
	f->number = ++link->last_number;
	DL_APPEND(*list, f);
	return f;
}

static int fake_op(struct link *link, const struct key *key, enum item_kind kind)
{
	if (link->told == BUS_DOWN)
		return BUS_E_UNAVAILABLE;
	if (link->n_binds == WINDOW)
		return BUS_E_BUSY;
	struct flying *f = fly(&link->binds, link);
	f->key = key_index(key);
	link->n_binds++;
	if (link->up) {
		struct item *item = item_new(&link->in, kind);
		item->number = f->number;
		item->key = f->key;
	}
	return 0;
}

static int fake_bind(void *impl, const struct key *key)
{
	return fake_op(impl, key, TO_BROKER_BIND);
}

static int fake_unbind(void *impl, const struct key *key)
{
	return fake_op(impl, key, TO_BROKER_UNBIND);
}

static int fake_publish(void *impl, struct bus_publication *publication)
{
	struct link *link = impl;

	if (link->told != BUS_UP)
		return BUS_E_UNAVAILABLE;
	if (link->n_publishes == WINDOW)
		return BUS_E_BUSY;
	struct flying *f = fly(&link->publishes, link);
	f->publication = publication;
	link->n_publishes++;
	if (link->up) {
		struct item *item = item_new(&link->in, TO_BROKER_PUBLISH);
		item->number = f->number;
		item->message = copy_of(publication);
	}
	return 0;
}

static int fake_announce(void *impl, struct str body)
{
	struct link *link = impl;

	if (link->announces)
		return BUS_E_BUSY;
	link->announces = link->up;
	if (link->up)
		snprintf(item_new(&link->in, TO_BROKER_ANNOUNCE)->text, sizeof(((struct item *)0)->text), "%.*s",
		         STR_ARG(body));
	return 0;
}

static int fake_stored_fetch(void *impl)
{
	struct link *link = impl;

	if (link->up)
		item_new(&link->in, TO_BROKER_FETCH);
	return 0;
}

static int fake_stored_moved(void *impl, size_t n)
{
	struct link *link = impl;

	if (link->up) {
		struct item *item = item_new(&link->in, TO_BROKER_MOVED);
		item->key = (int)n;
		item->node = link->node;
	}
	return 0;
}

static void fake_stored(struct link *link, const struct item *item)
{
	struct bus_stored stored[STORED_AT_ONCE];
	size_t n = 0;

	for (; n < STORED_AT_ONCE && item->stored[n]; n++)
		stored[n] = (struct bus_stored){item->stored[n]->key, item->stored[n]->message};
	bus_up_stored(link->bus, stored, n);
}

static void fake_settle(void *impl, struct bus_delivery *d, enum bus_settle_how how)
{
	struct link *link = impl;
	struct fake_delivery *lent = GRID_CONTAINER_OF(d, struct fake_delivery, d);

	ck_assert_ptr_eq(lent->link, link);
	(void)how;
	if (lent->queued && lent->life == link->life)
		dequeue(&link->queue, lent->queued);
	DL_DELETE(link->lent, lent);
	bus_delivery_deinit(d);
	free(lent);
}

static void fake_deliver(struct link *link, struct item *item)
{
	struct fake_delivery *lent = calloc(1, sizeof(*lent) + sizeof(struct bus_target));
	const struct bus_publication *p = item->message;

	lent->link = link;
	lent->life = link->life;
	lent->queued = item->queued;
	ck_assert_int_eq(bus_delivery_init(&lent->d, &p->key, 1, &p->message, grid_now, grid_now), 0);
	bus_delivery_identify(&lent->d, &p->message, link->identity_key);
	DL_APPEND(link->lent, lent);
	bus_up_message(link->bus, &(struct bus_delivery *){&lent->d}, 1);
}

static struct flying *land(struct flying **list, uint64_t number)
{
	struct flying *f = *list;
	while (f && f->number != number)
		f = f->next;
	ck_assert_ptr_nonnull(f);
	DL_DELETE(*list, f);
	return f;
}

static void fake_tell_state(struct link *link, enum bus_state state)
{
	bool was_down = link->told == BUS_DOWN;

	if (link->told == state)
		return;
	link->told = state;
	bool lost = was_down && link->lost;
	if (was_down)
		link->lost = false;
	bus_up_state(link->bus, state, lost ? BUS_BINDINGS_LOST : BUS_BINDINGS_KEPT);
}

static void fake_item(struct link *link, struct item *item)
{
	struct flying *f;

	switch (item->kind) {
	case TO_NODE_PUBLISHED:
		f = land(&link->publishes, item->number);
		link->n_publishes--;
		bus_up_published(link->bus, f->publication, item->result);
		free(f);
		break;
	case TO_NODE_BOUND:
		f = land(&link->binds, item->number);
		link->n_binds--;
		bus_up_bound(link->bus, &keys[f->key], BUS_BIND_OK);
		free(f);
		break;
	case TO_NODE_DELIVERY:
		fake_deliver(link, item);
		break;
	case TO_NODE_STORED:
		fake_stored(link, item);
		break;
	case TO_NODE_ANNOUNCED:
		bus_up_announced(link->bus, str_from(item->text));
		break;
	case TO_NODE_SAID:
		link->announces = false;
		break;
	case TO_NODE_BLOCKED:
		fake_tell_state(link, BUS_BLOCKED);
		break;
	default:
		fake_tell_state(link, BUS_UP);
	}
}

static void fake_lose(struct link *link)
{
	link->notice_ms = 0;
	while (link->publishes) {
		struct flying *f = land(&link->publishes, link->publishes->number);
		link->n_publishes--;
		bus_up_published(link->bus, f->publication, BUS_FAILED);
		free(f);
	}
	while (link->binds) {
		struct flying *f = land(&link->binds, link->binds->number);
		link->n_binds--;
		bus_up_bound(link->bus, &keys[f->key], BUS_BIND_LOST);
		free(f);
	}
	fake_tell_state(link, BUS_DOWN);
}

static bool fake_turn(void *impl, uint64_t now_ms)
{
	struct link *link = impl;

	if (link->notice_ms && now_ms >= link->notice_ms)
		fake_lose(link);
	if (link->up && link->told == BUS_DOWN && !link->notice_ms)
		fake_tell_state(link, BUS_UP);
	for (struct item *item; link->up && (item = link->out) && item->due_ms <= now_ms;) {
		DL_DELETE(link->out, item);
		fake_item(link, item);
		item_free(item);
	}
	return false;
}

static const struct bus_driver fake_drivers[SIDES] = {
    [SIDE_PRIMARY] = {.name = "primary",
                      .open = fake_open_primary,
                      .close = fake_close,
                      .bind = fake_bind,
                      .unbind = fake_unbind,
                      .publish = fake_publish,
                      .settle = fake_settle,
                      .turn = fake_turn},
    [SIDE_FALLBACK] = {.name = "fallback",
                       .open = fake_open_fallback,
                       .close = fake_close,
                       .bind = fake_bind,
                       .unbind = fake_unbind,
                       .publish = fake_publish,
                       .settle = fake_settle,
                       .turn = fake_turn,
                       .announce = fake_announce,
                       .stored_fetch = fake_stored_fetch,
                       .stored_moved = fake_stored_moved},
};

static int open_on_fakes(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp)
{
	const struct bus_driver *const both[SIDES] = {&fake_drivers[SIDE_PRIMARY], &fake_drivers[SIDE_FALLBACK]};
	return failover_open(bus, both, config, env, implp);
}

#endif
