/* A fake bus under the hub and a fake transport above it. The bus functions core calls are defined here, so bus.c is
 * not linked; what was asked stands in `bus_log`, and the test gives the answers through hub_upcalls. */
#ifndef GRID_TESTS_CORE_FAKES_H
#define GRID_TESTS_CORE_FAKES_H

#include <stdio.h>

#include "base/msgbuf.h"
#include "check_main.h"
#include "core/hub.h"
#include "core/session.h"

#define FAKE_MAX 64
#define FAKE_CROWD 300

/* --- bus ------------------------------------------------------------------------------------------------------------
 */

struct bus {
	enum bus_state state;
	size_t publish_room;
	size_t bind_room;
	struct key binds[FAKE_MAX]; /* asked, not answered; unbinds too */
	size_t n_binds;
	size_t n_unbinds; /* of those */
	struct bus_publication *publications[FAKE_MAX];
	size_t n_publications;
	enum bus_settle_how settled[FAKE_MAX];
	unsigned placed[FAKE_MAX]; /* bit by bit, which targets of each were */
	size_t n_settled;
};

static struct bus fake_bus;

enum bus_state bus_state(const struct bus *bus)
{
	return bus->state;
}

const char *bus_route(const struct bus *bus)
{
	(void)bus;
	return NULL;
}

int bus_bind(struct bus *bus, const struct key *key)
{
	if (bus->state == BUS_DOWN)
		return BUS_E_UNAVAILABLE;
	if (bus->n_binds == bus->bind_room)
		return BUS_E_BUSY;
	bus->binds[bus->n_binds++] = *key;
	return 0;
}

int bus_unbind(struct bus *bus, const struct key *key)
{
	bus->n_unbinds++;
	return bus_bind(bus, key);
}

int bus_publish(struct bus *bus, struct bus_publication *publication)
{
	if (bus->state != BUS_UP)
		return BUS_E_UNAVAILABLE;
	if (bus->n_publications == bus->publish_room)
		return BUS_E_BUSY;
	bus->publications[bus->n_publications++] = publication;
	return 0;
}

void bus_settle(struct bus *bus, struct bus_delivery *delivery, enum bus_settle_how how)
{
	ck_assert_uint_lt(bus->n_settled, FAKE_MAX);
	for (size_t i = 0; i < delivery->n_targets; i++)
		bus->placed[bus->n_settled] |= (unsigned)delivery->targets[i].placed << i;
	bus->settled[bus->n_settled++] = how;
	bus_delivery_deinit(delivery);
	free(delivery);
}

/* --- transport -------------------------------------------------------------------------------------------------------
 */

struct fake_conn {
	struct session *session;
	char out[65536]; /* payloads of all frames sent so far, a line each */
	uint16_t close_code;
	bool paused;
	bool stuck; /* takes nothing */
};

static int flushes_wanted;

static void fake_flush_soon(void *ctx)
{
	(void)ctx;
	flushes_wanted++;
}

static void fake_flush(void *conn)
{
	struct fake_conn *c = conn;
	struct msgbuf *m;
	size_t at = strlen(c->out);

	while (!c->stuck && (m = session_take(c->session))) {
		size_t head = m->data[1] < 126 ? 2 : 4;
		at += (size_t)snprintf(c->out + at, sizeof(c->out) - at, "%.*s\n", (int)(m->len - head), m->data + head);
		msgbuf_unref(m);
	}
}

static void fake_close(void *conn, uint16_t code, const char *reason)
{
	(void)reason;
	((struct fake_conn *)conn)->close_code = code;
}

static void fake_pause(void *conn, bool paused)
{
	((struct fake_conn *)conn)->paused = paused;
}

static const struct transport fake_transport = {
    .flush_soon = fake_flush_soon,
    .flush = fake_flush,
    .close = fake_close,
    .pause = fake_pause,
};

/* --- a hub on both
 * ---------------------------------------------------------------------------------------------------- */

static struct metric_registry registry;
static struct core_config config;
static struct hub *hub;
static struct now now;
static struct fake_conn conns[FAKE_MAX + FAKE_CROWD];
static size_t n_conns;

static inline void advance(uint64_t ms)
{
	now.mono_ms += ms;
	now.unix_ms += ms;
	hub_tick(hub, now);
	hub_flush(hub);
}

static inline void setup(void)
{
	registry = (struct metric_registry){0};
	config = (struct core_config){
	    .heartbeat = {.interval = 25000, .idle_timeout = 60000},
	    .limits = {.frame = 65536, .queue = 20000, .rooms = 3},
	    .linger = {.room = 30000, .user = 2000, .restored = 60000, .unbind_rate = 500},
	    .stray = {.hold = 5000, .hold_at_start = 0, .max = 5},
	    .drain = {.timeout = 10000, .spread = 2000},
	    .timeout = {.publish = 10000},
	};
	fake_bus = (struct bus){.state = BUS_DOWN, .publish_room = FAKE_MAX, .bind_room = FAKE_MAX};
	now = (struct now){.mono_ms = 1000000, .unix_ms = 1790000000000};
	struct hub_env env = {
	    .config = &config, .transport = &fake_transport, .node_id = "n1", .epoch = "E", .metrics = &registry};
	ck_assert_int_eq(hub_new(&env, now, &hub), 0);
	hub_set_bus(hub, &fake_bus);
	n_conns = 0;
	memset(conns, 0, sizeof(conns));
}

static inline void bus_goes(enum bus_state state, enum bus_bindings bindings)
{
	fake_bus.state = state;
	hub_upcalls.state(hub, state, bindings);
	hub_flush(hub);
}

/* Answers the oldest bind or unbind. */
static inline void answer_bind(enum bus_bind_result result)
{
	ck_assert_uint_gt(fake_bus.n_binds, 0);
	struct key key = fake_bus.binds[0];
	memmove(fake_bus.binds, fake_bus.binds + 1, --fake_bus.n_binds * sizeof(key));
	hub_upcalls.bound(hub, &key, result);
	hub_flush(hub);
}

static inline void answer_publish(enum bus_publish_result result)
{
	ck_assert_uint_gt(fake_bus.n_publications, 0);
	struct bus_publication *p = fake_bus.publications[0];
	fake_bus.n_publications--;
	memmove(fake_bus.publications, fake_bus.publications + 1, fake_bus.n_publications * sizeof(p));
	hub_upcalls.published(hub, p, result);
	hub_flush(hub);
}

static inline struct fake_conn *connect_as(const char *user)
{
	struct fake_conn *c = &conns[n_conns++];
	struct handshake handshake = {.query_user = str_from(user)};
	c->session = session_open(hub, c, &handshake, now);
	hub_flush(hub);
	return c;
}

static inline struct fake_conn *welcomed(const char *user)
{
	struct fake_conn *c = connect_as(user);
	while (fake_bus.n_binds)
		answer_bind(BUS_BIND_OK);
	ck_assert_ptr_nonnull(strstr(c->out, "\"op\":\"welcome\""));
	c->out[0] = '\0';
	return c;
}

static inline void say(struct fake_conn *c, const char *frame)
{
	session_receive(c->session, str_from(frame), now);
	hub_flush(hub);
}

static inline void expect_out(struct fake_conn *c, const char *text)
{
	ck_assert_msg(strstr(c->out, text), "expected %s in:\n%s", text, c->out);
	c->out[0] = '\0';
}

static inline void hang_up(struct fake_conn *c)
{
	if (c->session)
		session_closed(c->session, now);
	c->session = NULL;
	hub_flush(hub);
}

static inline void teardown(void)
{
	for (size_t i = 0; i < n_conns; i++)
		hang_up(&conns[i]);
	while (fake_bus.n_publications)
		answer_publish(BUS_FAILED);
	fake_bus.state = BUS_DOWN;
	while (fake_bus.n_binds)
		answer_bind(BUS_BIND_LOST);
	hub_set_bus(hub, NULL);
	hub_free(hub);
}

static inline struct key key_named(enum key_kind kind, const char *name)
{
	struct key key;
	ck_assert_int_eq(key_from_name(kind, str_from(name), &key), 0);
	return key;
}

/* A delivery from the bus; bus_settle() frees it. */
static inline struct bus_delivery *new_delivery_to(const struct key *keys, size_t n, const struct message *m)
{
	struct bus_delivery *d = malloc(sizeof(*d) + n * sizeof(struct bus_target));
	ck_assert_int_eq(bus_delivery_init(d, keys, n, m, now.unix_ms, now.mono_ms), 0);
	return d;
}

static inline struct bus_delivery *new_delivery(enum key_kind kind, const char *name, const struct message *m)
{
	struct key key = key_named(kind, name);
	return new_delivery_to(&key, 1, m);
}

static inline void deliver(struct bus_delivery *d)
{
	hub_upcalls.message(hub, &d, 1);
	hub_flush(hub);
}

static inline void deliver_message(enum key_kind kind, const char *name, const struct message *m)
{
	deliver(new_delivery(kind, name, m));
}

#endif
