/* What only RabbitMQ can be asked: faults of link and broker, permissions, what backends may send, where messages for
 * absent users end. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend.h"
#include "base/clock.h"
#include "contract.h"
#include "harness.h"
#include "proxy.h"

#define OFFLINE "grid.offline"

static struct backend *backend;
static struct proxy *proxy;

static void start_backend(void)
{
	backend = backend_open();
	backend_purge(backend, OFFLINE);
}

static void end_backend(void)
{
	backend_close(backend);
}

static const char *queue_of(const struct node *n)
{
	static char name[128];
	snprintf(name, sizeof(name), "grid.node.%s", n->id);
	return name;
}

/* A node behind the proxy, up. Short heartbeats and pauses, so that faults are noticed and mended quickly. */
static struct node *node_behind_proxy(const char *name)
{
	const char *address;
	char set[256];

	proxy = proxy_open(target.address, &address);
	snprintf(set, sizeof(set),
	         "bus.rabbitmq.addresses=%s;bus.rabbitmq.heartbeat=1s;bus.rabbitmq.reconnect_min=50ms;"
	         "bus.rabbitmq.reconnect_max=200ms;bus.rabbitmq.connect_timeout=2s",
	         address);
	return node_up(name, set);
}

static void close_behind_proxy(struct node *n)
{
	node_close(n);
	proxy_close(proxy);
}

/* The latest state, when it is up again after `times` downs. */
static struct got_state wait_up_again(struct node *n, size_t times)
{
	WAIT_FOR(node_states(n, BUS_DOWN) >= times && node_state(n) == BUS_UP);
	return n->states.p[n->states.n - 1];
}

/* Waits for a message in the offline queue. */
static struct backend_got offline(void)
{
	struct backend_got got;
	WAIT_FOR(backend_get(backend, OFFLINE, &got));
	return got;
}

static size_t unacknowledged(const struct node *n)
{
	char line[512];
	ctl_line(n->id, line, sizeof(line), "-q list_queues -p %s name messages_unacknowledged", target.vhost);
	ck_assert_str_ne(line, "");
	return (size_t)strtoul(strrchr(line, '\t') + 1, NULL, 10);
}

/* At the end of tests that change the broker, and once more after all of them, for those that failed. */
static void restore_broker(void)
{
	ctl("-q set_vm_memory_high_watermark 0.6");
	ctl("-q clear_topic_permissions -p %s %s grid.rooms", target.vhost, target.user);
}

/* --- absent users ------------------------------------------------------------------------------------------------- */

START_TEST(an_absent_users_message_is_in_the_offline_queue)
{
	struct node *n = node_up("a", NULL);
	const struct message m = {.id = STR("m-1"),
	                          .type = STR("invoice"),
	                          .from = STR("7"),
	                          .session = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
	                          .ts = 1790000000123,
	                          .seq = 3,
	                          .body = STR("{\"n\":1}")};

	node_publish_message(n, user_key("absent"), &m, 1);
	WAIT_FOR(node_result(n, 1) == BUS_UNROUTED);
	struct backend_got got = offline();
	ck_assert_str_eq(got.routing_key, "user.absent");
	ck_assert_str_eq(got.body, "{\"n\":1}");
	ck_assert_str_eq(got.message_id, "m-1");
	ck_assert_str_eq(got.type, "invoice");
	ck_assert_str_eq(got.user_id, target.user);
	ck_assert_int_eq(got.delivery_mode, 2);
	ck_assert_ptr_nonnull(strstr(got.headers, "ts=1790000000123 from=7 session=01ARZ3NDEKTSV4RRFFQ69G5FAV seq=3"));
	ck_assert_int_eq(backend_ready(backend, OFFLINE), 0);
	node_close(n);
}
END_TEST

START_TEST(receipts_for_absent_users_are_not_kept)
{
	struct node *n = node_up("a", NULL);
	node_publish_message(n, user_key("absent"), &(struct message){.type = STR("receipt"), .body = STR("{}")}, 1);
	WAIT_FOR(node_result(n, 1) == BUS_UNROUTED);
	ck_assert_int_eq(node_publish_wait(n, user_key("absent"), "\"kept\"", 2), BUS_UNROUTED);
	ck_assert_str_eq(offline().body, "\"kept\"");
	ck_assert_int_eq(backend_ready(backend, OFFLINE), 0);
	node_close(n);
}
END_TEST

START_TEST(a_stray_is_handed_over_as_it_came)
{
	struct node *n = node_up("a", NULL);
	struct key user = user_key("stray");

	n->how = BUS_STRAY;
	node_bind(n, user);
	backend_publish(backend, "grid.users", "user.stray",
	                &(struct backend_message){.body = "NaN",
	                                          .message_id = "b-1",
	                                          .type = "invoice.paid",
	                                          .app_id = "billing",
	                                          .from = "forged",
	                                          .session = "forged",
	                                          .cc = {"user.elsewhere", NULL}});
	WAIT_FOR(n->messages.n == 1);
	struct backend_got got =
	    offline(); /* the alternate exchange took no part: the queue was bound to one of the keys */
	ck_assert_str_eq(got.routing_key, "user.stray");
	ck_assert_str_eq(got.body, "NaN");
	ck_assert_str_eq(got.message_id, "b-1");
	ck_assert_str_eq(got.type, "invoice.paid");
	ck_assert_str_eq(got.app_id, "billing");
	ck_assert_str_eq(got.user_id, target.user);
	ck_assert_int_eq(got.delivery_mode, 2);
	ck_assert_ptr_null(strstr(got.headers, "forged"));
	ck_assert_ptr_null(strstr(got.headers, "CC="));
	ck_assert_ptr_nonnull(strstr(got.headers, "grid-stray="));
	ck_assert_str_eq(offline().routing_key, "user.elsewhere");
	node_settle_down(n);
	ck_assert_int_eq(backend_ready(backend, OFFLINE), 0);
	WAIT_FOR(node_metric(n, "grid_rabbitmq_strays_waiting") == 0);
	WAIT_FOR_MS(unacknowledged(n) == 0, 30000);
	node_close(n);
}
END_TEST

START_TEST(a_nodes_stray_keeps_who_sent_it)
{
	struct node *n = node_up("a", NULL);
	struct key user = user_key("stray");

	n->how = BUS_STRAY;
	node_bind(n, user);
	node_publish_message(n, user, &(struct message){.from = STR("7"), .seq = 5, .body = STR("1")}, 1);
	struct backend_got got = offline();
	ck_assert_ptr_nonnull(strstr(got.headers, "from=7 seq=5"));
	node_close(n);
}
END_TEST

/* Strays keep coming home while the publisher's link is cut again and again: each is in the offline queue at least
 * once, and nothing stays unacknowledged. */
START_TEST(strays_survive_a_lost_publisher)
{
	enum { N = 300 };
	struct node *n = node_behind_proxy("a");
	bool seen[N] = {false};
	struct key user = user_key("stray");
	struct backend_got got;
	char body[32];

	n->hold = true;
	node_bind(n, user);
	for (int i = 0; i < N; i++) {
		snprintf(body, sizeof(body), "%d", i);
		backend_publish(backend, "grid.users", "user.stray", &(struct backend_message){.body = body});
	}
	WAIT_FOR(n->held.n == N);
	n->hold = false;
	n->how = BUS_STRAY;
	for (size_t i = 0; i < N; i++) {
		bus_settle(n->bus, n->held.p[i], BUS_STRAY);
		if (i % 100 == 50) {
			proxy_cut(proxy, "a publisher");
			harness_turn();
		}
	}
	WAIT_FOR(node_metric(n, "grid_rabbitmq_strays_waiting") == 0);
	while (backend_get(backend, OFFLINE, &got))
		seen[atoi(got.body)] = true;
	for (int i = 0; i < N; i++)
		ck_assert_msg(seen[i], "stray %d is lost", i);
	wait_up_again(n, 1);
	close_behind_proxy(n);
}
END_TEST

/* --- an earlier life ---------------------------------------------------------------------------------------------- */

START_TEST(a_new_life_starts_clean)
{
	struct node *n = node_up("again", NULL);
	struct key room = room_key("old"), user = user_key("old");

	node_bind(n, room);
	node_bind(n, user);
	node_close(n);
	for (int i = 0; i < 50; i++) {
		backend_publish(backend, "grid.users", "user.old",
		                &(struct backend_message){.body = "1", .message_id = "left"});
		backend_publish(backend, "grid.rooms", "room.old", &(struct backend_message){.body = "2"});
	}
	n = node_up("again", "bus.rabbitmq.prefetch=16");
	ck_assert(n->states.p[0].bindings_lost);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_queue_resets_total"), 1);
	ck_assert_int_eq(backend_ready(backend, OFFLINE), 50);
	ck_assert_str_eq(offline().message_id, "left");
	backend_publish(backend, "grid.rooms", "room.old", &(struct backend_message){.body = "3"});
	ck_assert_int_eq(node_publish_wait(n, user, "4", 1), BUS_UNROUTED);
	node_settle_down(n);
	ck_assert_uint_eq(n->messages.n, 1); /* settle_down's */
	node_close(n);
}
END_TEST

/* Messages keep coming for a key that only the earlier life bound: whatever is done about the queue, none is lost. */
START_TEST(a_new_life_under_fire_loses_nothing)
{
	enum { N = 3000 };
	struct node *n = node_up("again", NULL);
	struct key user = user_key("old");
	int sent = 0;

	node_bind(n, user);
	node_close(n);
	for (; sent < N / 2; sent++)
		backend_publish(backend, "grid.users", "user.old", &(struct backend_message){.body = "1"});
	n = node_open("again", NULL);
	n->how = BUS_STRAY;
	for (; sent < N; sent++) {
		backend_publish(backend, "grid.users", "user.old", &(struct backend_message){.body = "1"});
		if (sent % 8 == 0)
			harness_turn();
	}
	WAIT_FOR_MS(node_state(n) == BUS_UP, 60000);
	node_settle_down(n);
	WAIT_FOR(node_metric(n, "grid_rabbitmq_strays_waiting") == 0);
	ck_assert_int_ge(backend_ready(backend, OFFLINE), N);
	node_close(n);
}
END_TEST

START_TEST(an_id_in_use_is_fatal_and_changes_nothing)
{
	struct node *first = node_up("twin", "bus.rabbitmq.heartbeat=1s");
	struct key room = room_key("mine");
	node_bind(first, room);
	struct node *second = node_open("twin", "bus.rabbitmq.heartbeat=1s");
	WAIT_FOR(second->fatal[0]);
	ck_assert_ptr_nonnull(strstr(second->fatal, "is taken"));
	ck_assert_uint_eq(second->states.n, 0);
	node_close(second);
	node_publish(first, room, "1", 1);
	WAIT_FOR(node_messages(first, &room, NULL) == 1);
	ck_assert_uint_eq(node_states(first, BUS_DOWN), 0);
	node_close(first);
}
END_TEST

START_TEST(an_id_that_becomes_free_is_taken_over)
{
	struct node *ghost = node_up("ghost", NULL), *heir = node_open("ghost", "bus.rabbitmq.heartbeat=5s");
	WAIT_FOR(node_metric(heir, "grid_rabbitmq_connects_total{link=\"consumer\"}") == 1);
	uint64_t until = harness_now() + 300;
	WAIT_FOR(harness_now() >= until);
	ck_assert_uint_eq(heir->states.n, 0);
	node_close(ghost);
	WAIT_FOR(node_state(heir) == BUS_UP);
	node_settle_down(heir);
	node_close(heir);
}
END_TEST

START_TEST(a_missing_topology_is_fatal)
{
	struct node *n = node_open("a", "bus.prefix=nogrid");
	char want[256];
	WAIT_FOR(n->fatal[0]);
	snprintf(want, sizeof(want),
	         "exchange \"nogrid.users\" is missing in vhost \"%s\": run scripts/provision --url http://127.0.0.1:15672 "
	         "--vhost %s --prefix nogrid",
	         target.vhost, target.vhost);
	ck_assert_str_eq(n->fatal, want);
	node_close(n);
}
END_TEST

START_TEST(an_unreachable_broker_is_waited_for)
{
	const char *address;
	proxy = proxy_open(target.address, &address);
	proxy_refuse(proxy, true);
	char set[256];
	snprintf(set, sizeof(set),
	         "bus.rabbitmq.addresses=127.0.0.1:1,%s;bus.rabbitmq.reconnect_min=20ms;bus.rabbitmq.reconnect_max=50ms",
	         address);
	struct node *n = node_open("a", set);
	WAIT_FOR(node_metric(n, "grid_rabbitmq_connect_failures_total{link=\"consumer\"}") >= 6);
	ck_assert_uint_eq(n->states.n, 0);
	proxy_refuse(proxy, false);
	WAIT_FOR(node_state(n) == BUS_UP);
	close_behind_proxy(n);
}
END_TEST

START_TEST(a_queue_with_other_arguments_is_mended_or_used)
{
	struct node *n = node_up("odd", NULL);
	char name[128];
	snprintf(name, sizeof(name), "%s", queue_of(n));
	node_close(n);
	backend_delete_queue(backend, name);
	backend_declare_queue(backend, name, false);
	n = node_up("odd", NULL);
	node_settle_down(n);
	node_close(n);
}
END_TEST

START_TEST(the_exclusive_mode_works_too)
{
	struct node *n = node_behind_proxy("excl");
	close_behind_proxy(n);
	const char *address;
	char set[256], name[128];
	proxy = proxy_open(target.address, &address);
	snprintf(set, sizeof(set), "bus.rabbitmq.addresses=%s;bus.rabbitmq.queue=exclusive;bus.rabbitmq.reconnect_min=50ms",
	         address);
	n = node_up("excl", set); /* the durable one of before gives way */
	snprintf(name, sizeof(name), "%s", queue_of(n));
	node_settle_down(n);
	proxy_cut(proxy, NULL);
	ck_assert(wait_up_again(n, 1).bindings_lost);
	node_settle_down(n);
	close_behind_proxy(n);
	WAIT_FOR(backend_ready(backend, name) == -1);
}
END_TEST

/* --- faults ------------------------------------------------------------------------------------------------------- */

START_TEST(a_cut_link_keeps_bindings_and_loses_nothing)
{
	struct node *n = node_behind_proxy("a");
	struct key room = room_key("cut"), user = user_key("cut");

	node_bind(n, room);
	node_bind(n, user);
	proxy_refuse(proxy, true);
	proxy_cut(proxy, NULL);
	WAIT_FOR(node_state(n) == BUS_DOWN);
	backend_publish(backend, "grid.rooms", "room.cut", &(struct backend_message){.body = "\"meanwhile\""});
	backend_publish(backend, "grid.users", "user.cut", &(struct backend_message){.body = "\"meanwhile\""});
	proxy_refuse(proxy, false);
	ck_assert(!wait_up_again(n, 1).bindings_lost);
	WAIT_FOR(node_messages(n, &room, "meanwhile") == 1 && node_messages(n, &user, "meanwhile") == 1);
	ck_assert_int_eq(backend_ready(backend, OFFLINE), 0);
	node_settle_down(n);
	close_behind_proxy(n);
}
END_TEST

START_TEST(a_cut_publisher_keeps_bindings)
{
	struct node *n = node_behind_proxy("a");
	struct key room = room_key("cut");

	node_bind(n, room);
	for (size_t times = 1; times <= 3; times++) {
		proxy_freeze(proxy, true); /* so that what is published now has no answer */
		for (uintptr_t i = 0; i < 20; i++)
			node_publish(n, room, "1", times * 100 + i);
		proxy_cut(proxy, "a publisher");
		proxy_freeze(proxy, false);
		ck_assert(!wait_up_again(n, times).bindings_lost);
		for (uintptr_t i = 0; i < 20; i++)
			ck_assert_int_eq(node_result(n, times * 100 + i), BUS_FAILED);
		ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_losses_total{link=\"consumer\"}"), 0);
	}
	node_publish(n, room, "\"after\"", 1);
	WAIT_FOR(node_messages(n, &room, "after") == 1);
	close_behind_proxy(n);
}
END_TEST

START_TEST(a_cut_consumer_answers_what_was_under_way)
{
	enum { N = 200 };
	struct node *n = node_behind_proxy("a");
	char name[32];

	for (int times = 1; times <= 3; times++) {
		n->bound.n = 0;
		for (int i = 0; i < N; i++) {
			snprintf(name, sizeof(name), "r%d.%d", times, i);
			struct key key = room_key(name);
			ck_assert_int_eq(bus_bind(n->bus, &key), 0);
			if (i == N / 2)
				proxy_cut(proxy, "a consumer");
		}
		/* The harness sees to it that nothing is answered while down; the exact split is chance. */
		ck_assert(!wait_up_again(n, (size_t)times).bindings_lost);
		ck_assert_uint_eq(n->bound.n, N);
		bool lost = false;
		for (int i = 0; i < N; i++) {
			snprintf(name, sizeof(name), "room.r%d.%d", times, i);
			ck_assert_str_eq(n->bound.p[i].key.text, name);
			ck_assert_int_ne(n->bound.p[i].result, BUS_BIND_REFUSED);
			ck_assert(n->bound.p[i].result == BUS_BIND_LOST || !lost); /* after a lost one all are */
			lost = n->bound.p[i].result == BUS_BIND_LOST;
		}
		ck_assert(lost);
	}
	node_settle_down(n);
	close_behind_proxy(n);
}
END_TEST

START_TEST(unsettled_deliveries_come_again)
{
	struct node *n = node_behind_proxy("a");
	struct key room = room_key("again");

	node_bind(n, room);
	n->hold = true;
	for (uintptr_t i = 0; i < 10; i++)
		node_publish(n, room, "1", i);
	WAIT_FOR(n->held.n == 10);
	for (size_t i = 0; i < 5; i++)
		bus_settle(n->bus, n->held.p[i], BUS_ACCEPTED);
	WAIT_FOR(node_metric(n, "grid_rabbitmq_ack_frames_total") >= 2);
	proxy_cut(proxy, "a consumer");
	wait_up_again(n, 1);
	for (size_t i = 5; i < 10; i++) /* late, of a link that is gone */
		bus_settle(n->bus, n->held.p[i], i % 2 ? BUS_STRAY : BUS_ACCEPTED);
	WAIT_FOR(n->held.n >= 15);
	for (size_t i = 10; i < n->held.n; i++) {
		ck_assert(n->messages.p[i].redelivered);
		bus_settle(n->bus, n->held.p[i], BUS_ACCEPTED);
	}
	n->hold = false;
	node_settle_down(n);
	WAIT_FOR_MS(unacknowledged(n) == 0, 30000);
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 1);
	close_behind_proxy(n);
}
END_TEST

START_TEST(a_deleted_queue_is_mended)
{
	struct node *n = node_up("a", "bus.rabbitmq.reconnect_min=50ms");
	struct key room = room_key("deleted");

	node_bind(n, room);
	backend_delete_queue(backend, queue_of(n));
	ck_assert(wait_up_again(n, 1).bindings_lost);
	node_bind(n, room);
	node_publish(n, room, "1", 1);
	WAIT_FOR(node_messages(n, &room, NULL) == 1);
	node_close(n);
}
END_TEST

/* The check is returned: the queue is there, what was bound to it is not. */
static void recreate_queue(bool like_a_node)
{
	struct node *n = node_behind_proxy("a");
	struct key room = room_key("recreated");

	node_bind(n, room);
	proxy_refuse(proxy, true);
	proxy_cut(proxy, NULL);
	WAIT_FOR(node_state(n) == BUS_DOWN);
	backend_delete_queue(backend, queue_of(n));
	backend_declare_queue(backend, queue_of(n), like_a_node);
	proxy_refuse(proxy, false);
	ck_assert(wait_up_again(n, 1).bindings_lost);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_loopbacks_returned_total"), 1);
	node_bind(n, room);
	node_publish(n, room, "1", 1);
	WAIT_FOR(node_messages(n, &room, NULL) == 1);
	close_behind_proxy(n);
}

START_TEST(a_recreated_queue_is_bound_anew)
{
	recreate_queue(true);
}
END_TEST

START_TEST(a_recreated_queue_with_other_arguments_is_bound_anew)
{
	recreate_queue(false);
}
END_TEST

START_TEST(a_frozen_broker_is_noticed)
{
	struct node *n = node_behind_proxy("a");
	struct key room = room_key("frozen");

	node_bind(n, room);
	proxy_freeze(proxy, true);
	node_publish(n, room, "1", 1);
	WAIT_FOR_MS(node_state(n) == BUS_DOWN, 8000);
	ck_assert_int_eq(node_result(n, 1), BUS_FAILED);
	proxy_cut(proxy, NULL);
	proxy_freeze(proxy, false);
	ck_assert(!wait_up_again(n, 1).bindings_lost);
	close_behind_proxy(n);
}
END_TEST

START_TEST(close_while_the_broker_is_frozen)
{
	struct node *n = node_behind_proxy("a");
	struct key room = room_key("frozen");
	char *body = calloc(1, 200001);

	memset(body, '7', 200000);
	node_bind(n, room);
	proxy_freeze(proxy, true);
	for (uintptr_t i = 0; i < 100; i++)
		node_publish(n, room, body, i); /* more than sockets hold: the publisher is stuck in a write */
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(bus_bind(n->bus, &room), 0);
	uint64_t before = harness_now();
	node_close(n);
	ck_assert_uint_le(harness_now() - before, 5000);
	free(body);
	proxy_close(proxy);
}
END_TEST

/* An idle node stays connected: heartbeats go both ways. */
START_TEST(heartbeats_keep_an_idle_link)
{
	struct node *n = node_behind_proxy("a");
	uint64_t until = harness_now() + 5000;
	WAIT_FOR(harness_now() >= until);
	ck_assert_uint_eq(n->states.n, 1);
	node_settle_down(n);
	close_behind_proxy(n);
}
END_TEST

START_TEST(a_blocked_broker_blocks_publishing_only)
{
	struct node *n = node_up("a", NULL);
	struct key room = room_key("blocked"), other = room_key("blocked.other");
	uintptr_t token = 1;

	node_bind(n, room);
	ctl("-q set_vm_memory_high_watermark absolute 1");
	/* The broker tells a connection that publishes. */
	WAIT_FOR(node_state(n) == BUS_BLOCKED || (node_publish(n, room, "1", token++), false));
	struct bus_publication *p = bus_publication_new(&room, &(struct message){.body = STR("1")}, NULL);
	ck_assert_int_eq(bus_publish(n->bus, p), BUS_E_UNAVAILABLE);
	bus_publication_free(p);
	node_bind(n, other);
	ck_assert_int_eq(node_state(n), BUS_BLOCKED);

	/* A node that comes while it is blocked takes deliveries at once. */
	struct node *late = node_open("late", NULL);
	WAIT_FOR(node_state(late) == BUS_BLOCKED);
	ck_assert(late->states.p[0].bindings_lost);
	node_bind(late, other);

	ctl("-q set_vm_memory_high_watermark 0.6");
	WAIT_FOR(node_state(n) == BUS_UP && node_state(late) == BUS_UP);
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 0);
	WAIT_FOR(n->published.n == token - 1);
	node_publish(n, other, "\"after\"", token);
	WAIT_FOR(node_messages(n, &other, "after") == 1 && node_messages(late, &other, "after") == 1);
	node_close(n);
	node_close(late);
}
END_TEST

START_TEST(close_while_blocked)
{
	struct node *n = node_up("a", NULL);
	uintptr_t token = 1;

	ctl("-q set_vm_memory_high_watermark absolute 1");
	WAIT_FOR(node_state(n) == BUS_BLOCKED || (node_publish(n, room_key("x"), "1", token++), false));
	uint64_t before = harness_now();
	node_close(n);
	ck_assert_uint_le(harness_now() - before, 5000);
	restore_broker();
}
END_TEST

START_TEST(a_stopped_broker_comes_back)
{
	struct node *n = node_up("a", "bus.rabbitmq.reconnect_min=50ms;bus.rabbitmq.reconnect_max=200ms");
	struct key room = room_key("restart");

	node_bind(n, room);
	ctl("-q stop_app");
	WAIT_FOR(node_state(n) == BUS_DOWN);
	ctl("-q start_app");
	struct got_state up = wait_up_again(n, 1);
	if (up.bindings_lost) /* a durable queue keeps them */
		ck_abort_msg("bindings of a durable queue did not survive a restart");
	node_publish(n, room, "1", 1);
	WAIT_FOR(node_messages(n, &room, NULL) == 1);
	node_close(n);
}
END_TEST

/* --- permissions -------------------------------------------------------------------------------------------------- */

START_TEST(a_refused_bind_is_refused_alone)
{
	ctl("-q set_topic_permissions -p %s %s grid.rooms '.*' '^room\\.(open|settle).*$'", target.vhost, target.user);
	struct node *n = node_up("a", NULL);
	static const char *const names[] = {"open.1", "shut.1", "open.2", "open.3", "shut.2", "shut.3", "open.4"};

	for (size_t i = 0; i < GRID_ARRAY_LEN(names); i++) {
		struct key key = room_key(names[i]);
		ck_assert_int_eq(bus_bind(n->bus, &key), 0);
	}
	WAIT_FOR(n->bound.n == GRID_ARRAY_LEN(names));
	for (size_t i = 0; i < GRID_ARRAY_LEN(names); i++) {
		struct key key = room_key(names[i]);
		ck_assert_str_eq(n->bound.p[i].key.text, key.text);
		ck_assert_int_eq(n->bound.p[i].result, names[i][0] == 'o' ? BUS_BIND_OK : BUS_BIND_REFUSED);
	}
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 0);
	node_publish(n, room_key("open.4"), "1", 1);
	WAIT_FOR(n->messages.n == 1);
	restore_broker();
	node_close(n);
}
END_TEST

/* --- what backends send ------------------------------------------------------------------------------------------- */

START_TEST(odd_bodies_go_through)
{
	static const struct {
		const char *body;
		size_t n;
		const char *frame;
	} cases[] = {
	    {"{\"a\": 1}", 0, "\"data\":{\"a\": 1}}"},    {"NaN", 0, "\"text\":\"NaN\"}"},
	    {"tab\there", 0, "\"text\":\"tab\\there\"}"}, {"", 0, "\"data\":null}"},
	    {"\xff\xfe", 2, "\"base64\":\"//4=\"}"},      {"\0\1\2", 3, "\"text\":\"\\u0000\\u0001\\u0002\"}"},
	};
	struct node *n = node_up("a", NULL);

	node_bind(n, user_key("7"));
	for (size_t i = 0; i < GRID_ARRAY_LEN(cases); i++)
		backend_publish(backend, "grid.users", "user.7",
		                &(struct backend_message){.body = cases[i].body, .body_n = cases[i].n});
	WAIT_FOR(n->messages.n == GRID_ARRAY_LEN(cases));
	for (size_t i = 0; i < GRID_ARRAY_LEN(cases); i++)
		ck_assert_msg(strstr(n->messages.p[i].frame, cases[i].frame), "%zu: %s", i, n->messages.p[i].frame);
	node_close(n);
}
END_TEST

START_TEST(properties_of_backends_are_kept_or_not_believed)
{
	struct node *n = node_up("a", NULL);

	node_bind(n, user_key("7"));
	backend_publish(backend, "grid.users", "user.7",
	                &(struct backend_message){.body = "1",
	                                          .message_id = "b-1",
	                                          .type = "invoice.paid",
	                                          .app_id = "billing",
	                                          .timestamp = 1790000000,
	                                          .from = "9",
	                                          .session = "01ARZ3NDEKTSV4RRFFQ69G5FAV"});
	backend_publish(backend, "grid.users", "user.7.anything",
	                &(struct backend_message){.body = "2", .type = "grid.kick", .expiration = "5000"});
	backend_publish(backend, "grid.users", "user.7", &(struct backend_message){.body = "3", .type = "receipt"});
	WAIT_FOR(n->messages.n == 3);
	ck_assert_str_eq(n->messages.p[0].frame,
	                 "{\"op\":\"notify\",\"id\":\"b-1\",\"ts\":1790000000000,\"app\":\"billing\","
	                 "\"type\":\"invoice.paid\",\"data\":1}");
	ck_assert_str_eq(n->messages.p[1].keys[0], "user.7");
	ck_assert_ptr_null(strstr(n->messages.p[1].frame, "grid.kick"));
	ck_assert(n->messages.p[1].expires);
	ck_assert_ptr_null(strstr(n->messages.p[2].frame, "receipt"));
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_ignored_total{what=\"headers\"}"), 1);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_ignored_total{what=\"type\"}"), 2);
	node_close(n);
}
END_TEST

START_TEST(cc_keys_are_looked_up_too)
{
	struct node *n = node_up("a", NULL);

	node_bind(n, user_key("cc1"));
	node_bind(n, user_key("cc2"));
	backend_publish(
	    backend, "grid.users", "user.nobody",
	    &(struct backend_message){.body = "1", .cc = {"user.cc1", "user.cc2", "user.cc1", "room.x", "bad key", NULL}});
	WAIT_FOR(n->messages.n == 1);
	ck_assert_uint_eq(n->messages.p[0].n_keys, 3);
	ck_assert_str_eq(n->messages.p[0].keys[1], "user.cc1");
	ck_assert_str_eq(n->messages.p[0].keys[2], "user.cc2");
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_ignored_total{what=\"key\"}"), 2);
	node_close(n);
}
END_TEST

/* Control messages are the nodes' own; what comes to the queue by any other way is nobody's. */
START_TEST(foreign_ways_to_the_queue_lead_nowhere)
{
	struct node *n = node_up("a", NULL);
	char key[128];

	snprintf(key, sizeof(key), "node.%s", n->id);
	backend_publish(backend, "", queue_of(n), &(struct backend_message){.body = "1"});
	backend_publish(backend, "grid.nodes", key, &(struct backend_message){.body = "2", .type = "grid.unknown"});
	snprintf(key, sizeof(key), "node.%s.%s", n->id, n->epoch.text);
	backend_publish(backend, "grid.nodes", key, &(struct backend_message){.body = "3", .type = "grid.loopback"});
	node_settle_down(n);
	ck_assert_uint_eq(n->messages.n, 1);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_dropped_total{reason=\"exchange\"}"), 1);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_dropped_total{reason=\"control\"}"), 2);
	WAIT_FOR_MS(unacknowledged(n) == 0, 30000);
	node_close(n);
}
END_TEST

static TCase *add(Suite *suite, const char *name, const TTest *const *tests, size_t n)
{
	TCase *tc = tcase_create(name);
	tcase_set_timeout(tc, 180);
	tcase_add_checked_fixture(tc, start_backend, end_backend);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return tc;
}

void rabbitmq_add(Suite *suite)
{
	const TTest *const absent[] = {
	    an_absent_users_message_is_in_the_offline_queue,
	    receipts_for_absent_users_are_not_kept,
	    a_stray_is_handed_over_as_it_came,
	    a_nodes_stray_keeps_who_sent_it,
	    strays_survive_a_lost_publisher,
	};
	const TTest *const lives[] = {
	    a_new_life_starts_clean,
	    a_new_life_under_fire_loses_nothing,
	    an_id_in_use_is_fatal_and_changes_nothing,
	    an_id_that_becomes_free_is_taken_over,
	    a_missing_topology_is_fatal,
	    an_unreachable_broker_is_waited_for,
	    a_queue_with_other_arguments_is_mended_or_used,
	    the_exclusive_mode_works_too,
	};
	const TTest *const faults[] = {
	    a_cut_link_keeps_bindings_and_loses_nothing,
	    a_cut_publisher_keeps_bindings,
	    a_cut_consumer_answers_what_was_under_way,
	    unsettled_deliveries_come_again,
	    a_deleted_queue_is_mended,
	    a_recreated_queue_is_bound_anew,
	    a_recreated_queue_with_other_arguments_is_bound_anew,
	    a_frozen_broker_is_noticed,
	    close_while_the_broker_is_frozen,
	    heartbeats_keep_an_idle_link,
	};
	const TTest *const refusals[] = {a_refused_bind_is_refused_alone, a_blocked_broker_blocks_publishing_only,
	                                 close_while_blocked};
	const TTest *const backends[] = {odd_bodies_go_through, properties_of_backends_are_kept_or_not_believed,
	                                 cc_keys_are_looked_up_too, foreign_ways_to_the_queue_lead_nowhere};

	add(suite, "absent_users", absent, GRID_ARRAY_LEN(absent));
	add(suite, "earlier_lives", lives, GRID_ARRAY_LEN(lives));
	add(suite, "backends", backends, GRID_ARRAY_LEN(backends));
	add(suite, "faults", faults, GRID_ARRAY_LEN(faults));
	tcase_add_unchecked_fixture(add(suite, "refusals", refusals, GRID_ARRAY_LEN(refusals)), NULL, restore_broker);
	TCase *restart = tcase_create("restart"); /* without the fixture: its connection would not survive */
	tcase_set_timeout(restart, 180);
	tcase_add_test(restart, a_stopped_broker_comes_back);
	suite_add_tcase(suite, restart);
}
