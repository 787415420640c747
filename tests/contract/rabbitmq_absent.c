/* Messages for users who are not here: where they end. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rabbitmq_common.h"

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

/* One of several users has it on a socket: the others' copies are handed over, whichever he is. */
START_TEST(a_stray_is_not_handed_over_for_users_who_have_it)
{
	static const char *const keys[] = {"user.one", "user.two", "user.three"};
	struct node *n = node_up("a", NULL);

	n->hold = true;
	node_bind(n, user_key("one"));
	for (size_t has = 0; has < GRID_ARRAY_LEN(keys); has++) {
		backend_publish(backend, "grid.users", keys[0],
		                &(struct backend_message){.body = "1", .cc = {keys[1], keys[2], NULL}});
		WAIT_FOR(n->held.n == has + 1);
		n->held.p[has]->targets[has].placed = true;
		bus_settle(n->bus, n->held.p[has], BUS_STRAY);
		for (size_t i = 0; i < GRID_ARRAY_LEN(keys); i++)
			if (i != has)
				ck_assert_str_eq(offline().routing_key, keys[i]);
		WAIT_FOR(node_metric(n, "grid_rabbitmq_strays_waiting") == 0);
	}
	node_settle_down(n);
	ck_assert_int_eq(backend_ready(backend, OFFLINE), 0);
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

void rabbitmq_absent_add(Suite *suite)
{
	const TTest *const tests[] = {
	    an_absent_users_message_is_in_the_offline_queue,
	    receipts_for_absent_users_are_not_kept,
	    a_stray_is_handed_over_as_it_came,
	    a_stray_is_not_handed_over_for_users_who_have_it,
	    a_nodes_stray_keeps_who_sent_it,
	    strays_survive_a_lost_publisher,
	};

	add_case(suite, "absent_users", tests, GRID_ARRAY_LEN(tests));
}
