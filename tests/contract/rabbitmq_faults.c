/* Links cut, frozen and idle, a queue deleted, a broker stopped. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rabbitmq_common.h"

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
	ck_assert_int_eq(wait_up_again(n, 1).bindings, BUS_BINDINGS_UNSURE);
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
		ck_assert_int_eq(wait_up_again(n, times).bindings, BUS_BINDINGS_KEPT);
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
		ck_assert_int_eq(wait_up_again(n, (size_t)times).bindings, BUS_BINDINGS_UNSURE);
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

START_TEST(a_deleted_queue_is_mended)
{
	struct node *n = node_up("a", "bus.rabbitmq.reconnect_min=50ms");
	struct key room = room_key("deleted");

	node_bind(n, room);
	backend_delete_queue(backend, queue_of(n));
	ck_assert_int_eq(wait_up_again(n, 1).bindings, BUS_BINDINGS_LOST);
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
	ck_assert_int_eq(wait_up_again(n, 1).bindings, BUS_BINDINGS_LOST);
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
	ck_assert_int_eq(wait_up_again(n, 1).bindings, BUS_BINDINGS_UNSURE);
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

/* Also when nothing is being published. */
START_TEST(a_frozen_broker_is_noticed_by_an_idle_node)
{
	struct node *n = node_behind_proxy("a");

	proxy_freeze(proxy, true);
	WAIT_FOR_MS(node_state(n) == BUS_DOWN, 8000);
	proxy_cut(proxy, NULL);
	proxy_freeze(proxy, false);
	wait_up_again(n, 1);
	close_behind_proxy(n);
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
	ck_assert_int_eq(wait_up_again(n, 1).bindings,
	                 BUS_BINDINGS_UNSURE); /* a durable queue keeps them, but not for sure */
	node_publish(n, room, "1", 1);
	WAIT_FOR(node_messages(n, &room, NULL) == 1);
	node_close(n);
}
END_TEST

void rabbitmq_faults_add(Suite *suite)
{
	const TTest *const tests[] = {
	    a_cut_link_keeps_bindings_and_loses_nothing,
	    a_cut_publisher_keeps_bindings,
	    a_cut_consumer_answers_what_was_under_way,
	    a_deleted_queue_is_mended,
	    a_recreated_queue_is_bound_anew,
	    a_recreated_queue_with_other_arguments_is_bound_anew,
	    a_frozen_broker_is_noticed,
	    close_while_the_broker_is_frozen,
	    heartbeats_keep_an_idle_link,
	    a_frozen_broker_is_noticed_by_an_idle_node,
	};

	add_case(suite, "faults", tests, GRID_ARRAY_LEN(tests));
	TCase *restart = tcase_create("restart"); /* without the fixture: its connection would not survive */
	tcase_set_timeout(restart, 180);
	tcase_add_test(restart, a_stopped_broker_comes_back);
	suite_add_tcase(suite, restart);
}
