/* A driver on a link to a fake broker. */
#include "fake_driver.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "bus/failover/failover.h"

#define WINDOW 16 /* publishes and binds under way on one link */

struct fake_delivery {
	struct fake_delivery *prev, *next;
	struct link *link;
	uint64_t life;
	struct queued *queued;
	struct bus_delivery d; /* last: ends in an array */
};

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
	for (int line = 0; line < LINES; line++) {
		clear_items(&link->in[line]);
		clear_items(&link->out[line]);
	}
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
		struct item *item = item_new(&link->in[LINE_KEYS], kind);
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
		struct item *item = item_new(&link->in[LINE_MESSAGES], TO_BROKER_PUBLISH);
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
		snprintf(item_new(&link->in[LINE_MESSAGES], TO_BROKER_ANNOUNCE)->text, sizeof(((struct item *)0)->text), "%.*s",
		         STR_ARG(body));
	return 0;
}

static int fake_stored_fetch(void *impl)
{
	struct link *link = impl;

	if (link->up)
		item_new(&link->in[LINE_MESSAGES], TO_BROKER_FETCH);
	return 0;
}

static int fake_stored_moved(void *impl, size_t n)
{
	struct link *link = impl;

	if (link->up) {
		struct item *item = item_new(&link->in[LINE_MESSAGES], TO_BROKER_MOVED);
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

	MUST(lent->link == link, "settled on another bus");
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
	MUST(bus_delivery_init(&lent->d, &p->key, 1, &p->message, grid_now, grid_now) == 0, "out of memory");
	bus_delivery_identify(&lent->d, &p->message, link->identity_key);
	DL_APPEND(link->lent, lent);
	bus_up_message(link->bus, &(struct bus_delivery *){&lent->d}, 1);
}

static struct flying *land(struct flying **list, uint64_t number)
{
	struct flying *f = *list;
	while (f && f->number != number)
		f = f->next;
	MUST(f, "nothing of number %ju is under way", (uintmax_t)number);
	DL_DELETE(*list, f);
	return f;
}

/* What a link that is up again finds bound. The first one finds nothing; the one to a broker that keeps bindings cannot
 * tell whether it has them all. */
static enum bus_bindings found_bound(struct link *link)
{
	bool lost = link->lost;

	link->lost = false;
	if (lost)
		return BUS_BINDINGS_LOST;
	return link->broker->keeps ? BUS_BINDINGS_UNSURE : BUS_BINDINGS_KEPT;
}

static void fake_tell_state(struct link *link, enum bus_state state)
{
	bool was_down = link->told == BUS_DOWN;

	if (link->told == state)
		return;
	link->told = state;
	bus_up_state(link->bus, state, was_down ? found_bound(link) : BUS_BINDINGS_KEPT);
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
		bus_up_bound(link->bus, &keys[f->key], item->bound);
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

static void fake_read(struct link *link, enum line line, uint64_t now_ms)
{
	for (struct item *item; link->up && (item = link->out[line]) && item->due_ms <= now_ms;) {
		DL_DELETE(link->out[line], item);
		fake_item(link, item);
		item_free(item);
	}
}

static bool fake_turn(void *impl, uint64_t now_ms)
{
	struct link *link = impl;

	if (link->notice_ms && now_ms >= link->notice_ms)
		fake_lose(link);
	if (link->up && link->told == BUS_DOWN && !link->notice_ms)
		fake_tell_state(link, BUS_UP);
	enum line first = chance(2) ? LINE_KEYS : LINE_MESSAGES;
	fake_read(link, first, now_ms);
	fake_read(link, first == LINE_KEYS ? LINE_MESSAGES : LINE_KEYS, now_ms);
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

int open_on_fakes(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp)
{
	const struct bus_driver *const both[SIDES] = {&fake_drivers[SIDE_PRIMARY], &fake_drivers[SIDE_FALLBACK]};
	return failover_open(bus, both, config, env, implp);
}
