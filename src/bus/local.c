/* The bus of a single node without a broker, and the plainest reading of what bus.h means: a set of bound keys, and a
 * list of what has happened, told on the next turn. An absent user's messages have nowhere to go here: they are counted
 * and dropped. */
#include <errno.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "bus/bus.h"

#define TURN_MAX 256
#define TURN_MAX_MS 2

struct bound_key {
	struct key key;
	UT_hash_handle hh;
};

enum event_kind { EVENT_STATE_UP, EVENT_BOUND, EVENT_PUBLISHED, EVENT_MESSAGE };

struct event {
	struct event *prev, *next;
	enum event_kind kind;
	struct key key;
	struct bus_publication *publication;
	enum bus_publish_result result;
	struct local_delivery *delivery;
};

struct local_delivery {
	struct local_delivery *prev, *next; /* lent to core */
	struct bus_delivery *delivery;      /* in the same block */
};

struct local_counters {
	struct counter absent;
};

static const struct metric_row rows[] = {
    METRIC_COUNTER_ROW(struct local_counters, absent, "grid_local_absent_dropped_total", NULL,
                       "Messages for absent users, which this driver cannot keep"),
};

struct local {
	struct bus *bus;
	struct bound_key *keys;
	struct event *events;
	struct local_delivery *lent;
	const struct siphash_key *identity_key;
	size_t window;
	size_t publishing;
	void (*wake)(void *arg);
	void *wake_arg;
	struct metric_registry *metrics;
	struct metric_set metric_set;
	struct local_counters counters;
};

static struct event *event_add(struct local *l, enum event_kind kind)
{
	struct event *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->kind = kind;
	if (!l->events)
		l->wake(l->wake_arg);
	DL_APPEND(l->events, e);
	return e;
}

static int local_open(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp)
{
	struct local *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->bus = bus;
	l->window = (size_t)config->publish_window;
	l->identity_key = env->identity_key;
	l->wake = env->wake;
	l->wake_arg = env->wake_arg;
	if (!event_add(l, EVENT_STATE_UP)) {
		free(l);
		return -ENOMEM;
	}
	l->metrics = env->metrics;
	metrics_add(env->metrics, &l->metric_set, rows, GRID_ARRAY_LEN(rows), &l->counters);
	*implp = l;
	return 0;
}

static void delivery_free(struct local_delivery *ld)
{
	bus_delivery_deinit(ld->delivery);
	free(ld);
}

static void event_free(struct event *e)
{
	if (e->delivery)
		delivery_free(e->delivery);
	if (e->publication)
		bus_publication_free(e->publication);
	free(e);
}

static void local_close(void *impl)
{
	struct local *l = impl;
	struct event *e, *e_next;
	struct local_delivery *ld, *ld_next;
	struct bound_key *k, *k_next;

	DL_FOREACH_SAFE(l->events, e, e_next) {
		DL_DELETE(l->events, e);
		event_free(e);
	}
	DL_FOREACH_SAFE(l->lent, ld, ld_next) {
		DL_DELETE(l->lent, ld);
		delivery_free(ld);
	}
	HASH_ITER(hh, l->keys, k, k_next) {
		HASH_DEL(l->keys, k);
		free(k);
	}
	metrics_remove(l->metrics, &l->metric_set);
	free(l);
}

static struct bound_key *find(struct local *l, const struct key *key)
{
	struct bound_key *k;
	HASH_FIND(hh, l->keys, key->text, key->len, k);
	return k;
}

static int answer_bound(struct local *l, const struct key *key)
{
	struct event *e = event_add(l, EVENT_BOUND);
	if (!e)
		return -ENOMEM;
	e->key = *key;
	return 0;
}

static int local_bind(void *impl, const struct key *key)
{
	struct local *l = impl;

	if (!find(l, key)) {
		struct bound_key *k = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
		k->key = *key;
		HASH_ADD_KEYPTR(hh, l->keys, k->key.text, k->key.len, k);
		if (!k->hh.tbl) {
			free(k);
			return -ENOMEM;
		}
	}
	return answer_bound(l, key);
}

static int local_unbind(void *impl, const struct key *key)
{
	struct local *l = impl;
	struct bound_key *k = find(l, key);

	if (k) {
		HASH_DEL(l->keys, k);
		free(k);
	}
	return answer_bound(l, key);
}

static struct local_delivery *delivery_new(const struct local *l, const struct bus_publication *p)
{
	struct local_delivery *ld = calloc(1, sizeof(*ld) + sizeof(struct bus_delivery) + sizeof(struct bus_target));
	if (!ld)
		return NULL;
	ld->delivery = (struct bus_delivery *)(ld + 1);
	struct now now = clock_now();
	if (bus_delivery_init(ld->delivery, &p->key, 1, &p->message, now.unix_ms, now.mono_ms) != 0) {
		free(ld);
		return NULL;
	}
	bus_delivery_identify(ld->delivery, &p->message, l->identity_key);
	return ld;
}

/* Adds the delivery, if anybody is bound; says what the publisher is to hear. */
static enum bus_publish_result route(struct local *l, const struct bus_publication *p)
{
	if (!find(l, &p->key)) {
		if (p->key.kind != KEY_USER)
			return BUS_CONFIRMED;
		counter_add(&l->counters.absent, 1);
		return BUS_UNROUTED;
	}
	struct local_delivery *ld = delivery_new(l, p);
	struct event *e = ld ? event_add(l, EVENT_MESSAGE) : NULL;
	if (!e) {
		if (ld)
			delivery_free(ld);
		return BUS_FAILED;
	}
	e->delivery = ld;
	return BUS_CONFIRMED;
}

static int local_publish(void *impl, struct bus_publication *p)
{
	struct local *l = impl;

	if (l->publishing == l->window)
		return BUS_E_BUSY;
	enum bus_publish_result result = route(l, p);
	struct event *e = event_add(l, EVENT_PUBLISHED);
	if (!e)
		return -ENOMEM;
	e->publication = p;
	e->result = result;
	l->publishing++;
	return 0;
}

static void local_settle(void *impl, struct bus_delivery *delivery, enum bus_settle_how how)
{
	struct local *l = impl;
	struct local_delivery *ld = (struct local_delivery *)(void *)delivery - 1;

	if (how == BUS_STRAY)
		counter_add(&l->counters.absent, 1);
	DL_DELETE(l->lent, ld);
	delivery_free(ld);
}

static void tell(struct local *l, struct event *e)
{
	struct bus_publication *publication = e->publication;
	struct local_delivery *ld = e->delivery;

	e->publication = NULL;
	e->delivery = NULL;
	switch (e->kind) {
	case EVENT_STATE_UP:
		bus_up_state(l->bus, BUS_UP, BUS_BINDINGS_LOST);
		break;
	case EVENT_BOUND:
		bus_up_bound(l->bus, &e->key, BUS_BIND_OK);
		break;
	case EVENT_PUBLISHED:
		l->publishing--;
		bus_up_published(l->bus, publication, e->result);
		break;
	case EVENT_MESSAGE:
		DL_APPEND(l->lent, ld);
		bus_up_message(l->bus, &(struct bus_delivery *){ld->delivery}, 1);
		break;
	}
}

static bool local_turn(void *impl, uint64_t now_ms)
{
	struct local *l = impl;
	uint64_t until = now_ms + TURN_MAX_MS;

	for (int i = 0; i < TURN_MAX && l->events; i++) {
		struct event *e = l->events;
		DL_DELETE(l->events, e);
		tell(l, e);
		event_free(e);
		if (i % 32 == 31 && clock_mono_ms() > until)
			break;
	}
	return l->events;
}

const struct bus_driver bus_local_driver = {
    .name = "local",
    .open = local_open,
    .close = local_close,
    .bind = local_bind,
    .unbind = local_unbind,
    .publish = local_publish,
    .settle = local_settle,
    .turn = local_turn,
};
