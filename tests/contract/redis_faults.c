/* Links cut and frozen, logins and keys refused. */
#include <stdio.h>
#include <stdlib.h>

#include "redis_common.h"

/* As docs/operations.md has it: all that a node needs. */
#define ACL_OF_A_NODE "~grid.offline resetchannels &grid.* -@all +@connection +@pubsub +xadd +select"

START_TEST(a_cut_subscriber_loses_bindings)
{
	enum { N = 200 };
	struct node *n = redis_node_behind_proxy("a");
	char name[32];

	for (size_t times = 1; times <= 3; times++) {
		n->bound.n = 0;
		for (int i = 0; i < N; i++) {
			snprintf(name, sizeof(name), "r%zu.%d", times, i);
			struct key key = room_key(name);
			ck_assert_int_eq(bus_bind(n->bus, &key), 0);
		}
		proxy_cut(redis_proxy, "a:subscriber");
		ck_assert_int_eq(redis_wait_up_again(n, times).bindings, BUS_BINDINGS_LOST);
		ck_assert_uint_eq(n->bound.n, N);
		bool lost = false;
		for (int i = 0; i < N; i++) {
			snprintf(name, sizeof(name), "room.r%zu.%d", times, i);
			ck_assert_str_eq(n->bound.p[i].key.text, name);
			ck_assert(n->bound.p[i].result == BUS_BIND_LOST || (!lost && n->bound.p[i].result == BUS_BIND_OK));
			lost = n->bound.p[i].result == BUS_BIND_LOST;
		}
	}
	ck_assert_uint_eq(node_metric(n, "grid_redis_losses_total{link=\"publisher\"}"), 0);
	node_settle_down(n);
	redis_close_behind_proxy(n);
}
END_TEST

START_TEST(a_cut_publisher_keeps_bindings)
{
	struct node *n = redis_node_behind_proxy("a");
	struct key room = room_key("cut");

	node_bind(n, room);
	for (size_t times = 1; times <= 3; times++) {
		proxy_freeze(redis_proxy, true); /* so that what is published now has no answer */
		for (uintptr_t i = 0; i < 20; i++)
			node_publish(n, room, "1", times * 100 + i);
		proxy_cut(redis_proxy, "a:publisher");
		proxy_freeze(redis_proxy, false);
		ck_assert_int_eq(redis_wait_up_again(n, times).bindings, BUS_BINDINGS_KEPT);
		for (uintptr_t i = 0; i < 20; i++)
			ck_assert_int_eq(node_result(n, times * 100 + i), BUS_FAILED);
	}
	ck_assert_uint_eq(node_metric(n, "grid_redis_losses_total{link=\"subscriber\"}"), 0);
	node_publish(n, room, "\"after\"", 1);
	WAIT_FOR(node_messages(n, &room, "after") == 1);
	redis_close_behind_proxy(n);
}
END_TEST

START_TEST(a_frozen_server_is_gone_when_nothing_is_asked)
{
	struct node *n = redis_node_behind_proxy("a");

	WAIT_FOR(node_metric(n, "grid_redis_pings_total{link=\"subscriber\"}") >= 2 &&
	         node_metric(n, "grid_redis_pings_total{link=\"publisher\"}") >= 2);
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 0);
	uint64_t before = harness_now();
	proxy_freeze(redis_proxy, true);
	WAIT_FOR(node_state(n) == BUS_DOWN);
	ck_assert_uint_ge(harness_now() - before, 500); /* a pong may have been on its way */
	ck_assert_uint_le(harness_now() - before, 1500);
	WAIT_FOR(node_metric(n, "grid_redis_losses_total{link=\"subscriber\"}") == 1 &&
	         node_metric(n, "grid_redis_losses_total{link=\"publisher\"}") == 1);
	proxy_freeze(redis_proxy, false);
	ck_assert_int_eq(redis_wait_up_again(n, 1).bindings, BUS_BINDINGS_LOST);
	redis_close_behind_proxy(n);
}
END_TEST

START_TEST(a_frozen_server_fails_what_was_asked)
{
	struct node *n = redis_node_behind_proxy("a");
	struct key key = room_key("late");

	proxy_freeze(redis_proxy, true);
	for (uintptr_t i = 1; i <= 20; i++)
		node_publish(n, i % 2 ? key : user_key("nobody"), "1", i);
	ck_assert_int_eq(bus_bind(n->bus, &key), 0);
	WAIT_FOR(node_state(n) == BUS_DOWN);
	for (uintptr_t i = 1; i <= 20; i++)
		ck_assert_int_eq(n->published.p[i - 1].token == i ? node_result(n, i) : -1, BUS_FAILED);
	ck_assert_uint_eq(n->bound.n, 1);
	ck_assert_int_eq(n->bound.p[0].result, BUS_BIND_LOST);
	ck_assert_int_eq(bus_bind(n->bus, &key), BUS_E_UNAVAILABLE);
	redis_close_behind_proxy(n); /* also while it is frozen */
}
END_TEST

/* Redis delivers a message once: strays outlive the link they could not go out by. */
START_TEST(strays_survive_a_lost_link)
{
	struct node *n = redis_node_behind_proxy("a");

	n->hold = true;
	node_bind(n, user_key("gone"));
	for (int i = 0; i < 3; i++)
		redis_publish("grid.users:user.gone", "1", 1);
	WAIT_FOR(n->held.n == 3);
	proxy_refuse(redis_proxy, true);
	proxy_freeze(redis_proxy, true);
	bus_settle(n->bus, n->held.p[0], BUS_STRAY);
	proxy_cut(redis_proxy, NULL);
	proxy_freeze(redis_proxy, false);
	WAIT_FOR(node_state(n) == BUS_DOWN);
	bus_settle(n->bus, n->held.p[1], BUS_STRAY);
	bus_settle(n->bus, n->held.p[2], BUS_ACCEPTED);
	ck_assert_uint_eq(node_metric(n, "grid_redis_strays_waiting"), 2);
	proxy_refuse(redis_proxy, false);
	WAIT_FOR(node_metric(n, "grid_redis_strays_waiting") == 0);
	ck_assert_uint_eq(redis_offline(), 2);
	redis_close_behind_proxy(n);
}
END_TEST

/* Whatever is cut, and whenever: everything accepted is answered, and in the end all works. */
START_TEST(cut_at_any_moment)
{
	static const char *const of[] = {"a:subscriber", "a:publisher", NULL};
	struct node *n = redis_node_behind_proxy("a");
	struct key room = room_key("storm"), nobody = user_key("nobody");
	uintptr_t accepted = 0;
	size_t binds = 0;

	for (int i = 0; node_states(n, BUS_DOWN) < 12; i++) {
		struct key key = i % 2 ? room : nobody;
		struct bus_publication *p = bus_publication_new(&key, &(struct message){.body = STR("1")}, (void *)accepted);
		if (bus_publish(n->bus, p) == 0)
			accepted++;
		else
			bus_publication_free(p);
		binds += bus_bind(n->bus, &room) == 0;
		if (i % 7 == 0 && node_state(n) == BUS_UP)
			proxy_cut(redis_proxy, of[node_states(n, BUS_DOWN) % 3]);
		harness_turn();
	}
	WAIT_FOR(node_state(n) == BUS_UP && n->published.n == accepted && n->bound.n == binds);
	for (uintptr_t i = 0; i < accepted; i++)
		ck_assert_uint_eq(n->published.p[i].token, i);
	n->bound.n = 0;
	node_bind(n, room);
	node_publish(n, room, "\"after\"", 1000);
	WAIT_FOR(node_messages(n, &room, "after") == 1);
	redis_close_behind_proxy(n);
}
END_TEST

START_TEST(closes_in_every_state)
{
	struct node *n;
	const char *address;
	char set[128];

	node_close(node_open("nowhere", "bus.redis.address=unix:/nowhere/redis.sock"));
	node_close(node_open("unresolved", "bus.redis.address=no-such-host.invalid:6379"));
	n = node_open("unresolved-for-a-while", "bus.redis.address=no-such-host.invalid:6379");
	WAIT_FOR(node_metric(n, "grid_redis_connect_failures_total{link=\"subscriber\"}") >= 1);
	node_close(n);
	redis_proxy = proxy_open(target.address, &address);
	proxy_freeze(redis_proxy, true);
	snprintf(set, sizeof(set), "bus.redis.address=%s;bus.redis.connect_timeout=200ms", address);
	n = node_open("connecting", set);
	WAIT_FOR(node_metric(n, "grid_redis_connect_failures_total{link=\"subscriber\"}") >= 2);
	node_close(n);
	proxy_close(redis_proxy);
}
END_TEST

START_TEST(a_wrong_password_is_tried_again)
{
	struct key here = user_key("here");

	redis_run("ACL SETUSER contract on >right " ACL_OF_A_NODE);
	struct node *n = node_open(
	    "a", "bus.redis.user=contract;bus.redis.password=wrong;bus.redis.database=1;bus.redis.reconnect_max=200ms");

	WAIT_FOR(node_metric(n, "grid_redis_connect_failures_total{link=\"publisher\"}") >= 2);
	ck_assert_uint_eq(n->states.n, 0);
	redis_run("ACL SETUSER contract >wrong");
	WAIT_FOR(node_state(n) == BUS_UP);
	node_bind(n, here);
	ck_assert_int_eq(node_publish_wait(n, here, "1", 1), BUS_CONFIRMED);
	ck_assert_int_eq(node_publish_wait(n, user_key("nobody"), "1", 2), BUS_UNROUTED);
	node_unbind(n, here);
	node_close(n);
	redis_run("SELECT 1");
	ck_assert_uint_eq(redis_offline(), 1);
	redis_run("DEL " REDIS_OFFLINE);
	redis_run("ACL DELUSER contract");
}
END_TEST

START_TEST(a_refused_key_concerns_nobody_else)
{
	redis_run("ACL SETUSER contract on >right resetkeys ~grid.* resetchannels &grid.nodes:* &grid.rooms:room.open* "
	          "&grid.rooms:room.settle* +@all");
	struct node *n = node_up("a", "bus.redis.user=contract;bus.redis.password=right");
	struct key open = room_key("open"), closed = room_key("closed"), last = room_key("open.too");

	ck_assert_int_eq(bus_bind(n->bus, &open), 0);
	ck_assert_int_eq(bus_bind(n->bus, &closed), 0);
	ck_assert_int_eq(bus_bind(n->bus, &last), 0);
	WAIT_FOR(n->bound.n == 3);
	ck_assert_int_eq(n->bound.p[0].result, BUS_BIND_OK);
	ck_assert_int_eq(n->bound.p[1].result, BUS_BIND_REFUSED);
	ck_assert_int_eq(n->bound.p[2].result, BUS_BIND_OK);
	ck_assert_int_eq(node_publish_wait(n, closed, "1", 1), BUS_FAILED);
	ck_assert_int_eq(node_publish_wait(n, last, "1", 2), BUS_CONFIRMED);
	WAIT_FOR(node_messages(n, &last, NULL) == 1);
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 0);
	node_close(n);
	redis_run("ACL DELUSER contract");
}
END_TEST

/* Channels are not in databases, the stream is; a database that is not there is no login. */
START_TEST(the_database_is_the_streams)
{
	struct node *n = node_up("a", "bus.redis.database=3");

	ck_assert_int_eq(node_publish_wait(n, user_key("nobody"), "1", 1), BUS_UNROUTED);
	ck_assert_uint_eq(redis_offline(), 0);
	redis_run("SELECT 3");
	ck_assert_uint_eq(redis_offline(), 1);
	redis_run("DEL " REDIS_OFFLINE);
	node_close(n);
	n = node_open("b", "bus.redis.database=4711");
	WAIT_FOR(node_metric(n, "grid_redis_connect_failures_total{link=\"publisher\"}") >= 1);
	ck_assert_uint_eq(n->states.n, 0);
	node_close(n);
}
END_TEST

START_TEST(without_a_secret_it_does_not_start)
{
	static const char *const settings[] = {"bus.redis.secret=", "bus.redis.secret=short",
	                                       "bus.redis.secret_file=/nowhere/secret"};
	static const char *const says[] = {"bus.redis.trust", "too short", "secret_file"};

	for (size_t i = 0; i < GRID_ARRAY_LEN(settings); i++) {
		struct node *n = node_open("a", settings[i]);
		WAIT_FOR(n->fatal[0]);
		ck_assert_ptr_nonnull(strstr(n->fatal, says[i]));
		ck_assert_uint_eq(n->states.n, 0);
		node_close(n);
	}
}
END_TEST

/* Where hiredis has TLS. */
START_TEST(tls_checks_certificate_and_name)
{
	const char *port = strrchr(getenv("GRID_TEST_REDIS_TLS"), ':'), *ca = getenv("GRID_TEST_REDIS_CA");
	const struct {
		const char *host, *ca, *verify;
		bool good;
	} cases[] = {
	    {"localhost", ca, "true", true},  {"127.0.0.1", ca, "true", true},
	    {"127.0.0.2", ca, "true", false}, /* not in the certificate */
	    {"localhost", "", "true", false}, /* nobody to trust */
	    {"127.0.0.2", "", "false", true},
	};
	char set[512];

	for (size_t i = 0; i < GRID_ARRAY_LEN(cases); i++) {
		snprintf(set, sizeof(set), "bus.redis.address=rediss://%s%s;bus.redis.tls_ca=%s;bus.redis.tls_verify=%s",
		         cases[i].host, port, cases[i].ca, cases[i].verify);
		struct node *n = node_open("a", set);
		WAIT_FOR(node_state(n) == BUS_UP ||
		         node_metric(n, "grid_redis_connect_failures_total{link=\"subscriber\"}") > 1);
		ck_assert_int_eq(node_state(n) == BUS_UP, cases[i].good);
		if (cases[i].good)
			node_settle_down(n);
		node_close(n);
	}
}
END_TEST

void redis_faults_add(Suite *suite)
{
	const TTest *const tests[] = {
	    a_cut_subscriber_loses_bindings,
	    a_cut_publisher_keeps_bindings,
	    a_frozen_server_is_gone_when_nothing_is_asked,
	    a_frozen_server_fails_what_was_asked,
	    strays_survive_a_lost_link,
	    cut_at_any_moment,
	    closes_in_every_state,
	    a_wrong_password_is_tried_again,
	    a_refused_key_concerns_nobody_else,
	    the_database_is_the_streams,
	    without_a_secret_it_does_not_start,
	};
	const TTest *const with_tls[] = {tls_checks_certificate_and_name};

	redis_case(suite, "redis_faults", tests, GRID_ARRAY_LEN(tests));
	if (!redis_tls_lacks)
		redis_case(suite, "redis_tls", with_tls, GRID_ARRAY_LEN(with_tls));
}
