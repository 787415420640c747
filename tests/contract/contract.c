/* What bus.h promises, held against every driver: `bus_contract local`, `bus_contract rabbitmq`. */
#include "contract.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

START_TEST(comes_up_with_nothing_bound)
{
	struct node *n = node_up("a", NULL);
	ck_assert_uint_eq(n->states.n, 1);
	ck_assert_int_eq(n->states.p[0].bindings, BUS_BINDINGS_LOST);
	ck_assert_int_eq(bus_state(n->bus), BUS_UP);
	node_close(n);
}
END_TEST

START_TEST(is_unavailable_before_it_is_up)
{
	struct node *n = node_open("a", NULL);
	struct key key = room_key("early");
	struct bus_publication *p = bus_publication_new(&key, &(struct message){.body = STR("1")}, NULL);
	ck_assert_int_eq(bus_bind(n->bus, &key), BUS_E_UNAVAILABLE);
	ck_assert_int_eq(bus_unbind(n->bus, &key), BUS_E_UNAVAILABLE);
	ck_assert_int_eq(bus_publish(n->bus, p), BUS_E_UNAVAILABLE);
	bus_publication_free(p);
	node_close(n);
}
END_TEST

START_TEST(what_is_bound_receives)
{
	struct node *n = node_up("a", NULL);
	struct key room = room_key("eu.lobby"), user = user_key("42");

	node_bind(n, room);
	node_bind(n, user);
	ck_assert_int_eq(node_publish_wait(n, room, "{\"to\":\"room\"}", 1), BUS_CONFIRMED);
	ck_assert_int_eq(node_publish_wait(n, user, "{\"to\":\"user\"}", 2), BUS_CONFIRMED);
	WAIT_FOR(n->messages.n == 2);
	ck_assert_str_eq(n->messages.p[0].keys[0], "room.eu.lobby");
	ck_assert_ptr_nonnull(strstr(n->messages.p[0].frame, "\"op\":\"message\",\"room\":\"eu.lobby\""));
	ck_assert_ptr_nonnull(strstr(n->messages.p[0].frame, "\"data\":{\"to\":\"room\"}"));
	ck_assert_str_eq(n->messages.p[1].keys[0], "user.42");
	ck_assert_ptr_nonnull(strstr(n->messages.p[1].frame, "\"op\":\"notify\""));
	node_close(n);
}
END_TEST

START_TEST(what_nobody_bound_is_confirmed_or_unrouted)
{
	struct node *n = node_up("a", NULL);
	ck_assert_int_eq(node_publish_wait(n, room_key("nobody"), "1", 1), BUS_CONFIRMED);
	ck_assert_int_eq(node_publish_wait(n, user_key("nobody"), "1", 2), BUS_UNROUTED);
	node_settle_down(n);
	ck_assert_uint_eq(node_messages(n, NULL, NULL), 1); /* settle_down's */
	node_close(n);
}
END_TEST

START_TEST(unbind_stops_delivery)
{
	struct node *n = node_up("a", NULL);
	struct key room = room_key("r"), user = user_key("u");

	node_bind(n, room);
	node_bind(n, user);
	node_unbind(n, room);
	node_unbind(n, user);
	ck_assert_int_eq(node_publish_wait(n, room, "1", 1), BUS_CONFIRMED);
	ck_assert_int_eq(node_publish_wait(n, user, "1", 2), BUS_UNROUTED);
	node_settle_down(n);
	ck_assert_uint_eq(node_messages(n, &room, NULL) + node_messages(n, &user, NULL), 0);
	node_bind(n, room);
	node_publish(n, room, "2", 3);
	WAIT_FOR(node_messages(n, &room, "\"data\":2") == 1);
	node_close(n);
}
END_TEST

START_TEST(binding_twice_and_unbinding_twice_are_answered)
{
	struct node *n = node_up("a", NULL);
	struct key room = room_key("r");

	node_bind(n, room);
	node_bind(n, room);
	node_publish(n, room, "1", 1);
	WAIT_FOR(node_messages(n, &room, NULL) == 1);
	node_unbind(n, room);
	node_unbind(n, room);
	node_settle_down(n);
	ck_assert_uint_eq(node_messages(n, &room, NULL), 1);
	node_close(n);
}
END_TEST

/* Results and deliveries of one key, 2,000 of them pipelined, come in the order of publishing. */
START_TEST(order_holds)
{
	enum { N = 2000 };
	struct node *n = node_up("a", NULL);
	struct key room = room_key("order"), user = user_key("order");
	size_t next_room = 0, next_user = 0;
	char body[32];

	node_bind(n, room);
	node_bind(n, user);
	for (uintptr_t i = 0; i < N; i++) {
		snprintf(body, sizeof(body), "\"n%ju.\"", (uintmax_t)i);
		node_publish(n, i % 2 ? user : room, body, i + 1);
	}
	WAIT_FOR(n->messages.n == N && n->published.n == N);
	for (size_t i = 0; i < N; i++) {
		bool to_user = n->messages.p[i].keys[0][0] == 'u';
		snprintf(body, sizeof(body), "\"n%zu.\"", to_user ? next_user++ * 2 + 1 : next_room++ * 2);
		ck_assert_ptr_nonnull(strstr(n->messages.p[i].frame, body));
	}
	uintptr_t last[2] = {0};
	for (size_t i = 0; i < N; i++) {
		uintptr_t token = n->published.p[i].token;
		ck_assert_uint_gt(token, last[token % 2]);
		ck_assert_int_eq(n->published.p[i].result, BUS_CONFIRMED);
		last[token % 2] = token;
	}
	node_close(n);
}
END_TEST

START_TEST(results_of_absent_users_keep_their_order)
{
	enum { N = 500 };
	struct node *n = node_up("a", NULL);
	struct key absent = user_key("absent");

	for (uintptr_t i = 1; i <= N; i++)
		node_publish(n, absent, "1", i);
	WAIT_FOR(n->published.n == N);
	for (size_t i = 0; i < N; i++) {
		ck_assert_uint_eq(n->published.p[i].token, i + 1);
		ck_assert_int_eq(n->published.p[i].result, BUS_UNROUTED);
	}
	node_close(n);
}
END_TEST

START_TEST(odd_names_reach_only_their_own)
{
	static const char *const names[] = {"#", "*", "a.b", "a", "\xc3\xbc", "%23", "n", "a.#", "a.*"};
	struct node *n = node_up("a", NULL);
	uintptr_t token = 0;
	char body[32];

	for (size_t i = 0; i < GRID_ARRAY_LEN(names); i++) {
		node_bind(n, user_key(names[i]));
		node_bind(n, room_key(names[i]));
	}
	for (size_t i = 0; i < GRID_ARRAY_LEN(names); i++) {
		snprintf(body, sizeof(body), "\"name%zu\"", i);
		node_publish(n, user_key(names[i]), body, ++token);
		node_publish(n, room_key(names[i]), body, ++token);
	}
	node_publish(n, room_key("x"), "\"name\"", ++token);
	node_settle_down(n);
	for (size_t i = 0; i < GRID_ARRAY_LEN(names); i++) {
		struct key user = user_key(names[i]), room = room_key(names[i]);
		snprintf(body, sizeof(body), "\"name%zu\"", i);
		ck_assert_uint_eq(node_messages(n, &user, NULL), 1);
		ck_assert_uint_eq(node_messages(n, &room, NULL), 1);
		ck_assert_uint_eq(node_messages(n, &user, body), 1);
		ck_assert_uint_eq(node_messages(n, &room, body), 1);
	}
	node_close(n);
}
END_TEST

START_TEST(a_message_is_carried_whole)
{
	struct node *n = node_up("a", NULL);
	struct key room = room_key("whole");
	const struct message m = {
	    .id = STR("id-1"),
	    .type = STR("chat"),
	    .from = STR("u\xc3\xbc"),
	    .session = STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
	    .origin = STR("n1.01ARZ3NDEKTSV4RRFFQ69G5FAV"),
	    .content_type = STR("application/json"),
	    .ts = 1790000000123,
	    .seq = 7,
	    .expires_ms = 60000,
	    .no_echo = true,
	    .body = STR("{\"a\":[1,2]}"),
	};

	node_bind(n, room);
	node_publish_message(n, room, &m, 1);
	node_publish(n, room, "2", 2);
	WAIT_FOR(n->messages.n == 2);
	struct got_message *got = &n->messages.p[0];
	ck_assert(got->no_echo && got->expires && !got->redelivered);
	ck_assert_str_eq(got->session, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
	ck_assert_str_eq(
	    got->frame,
	    "{\"op\":\"message\",\"room\":\"whole\",\"id\":\"id-1\",\"ts\":1790000000123,\"from\":\"u\xc3\xbc\","
	    "\"type\":\"chat\",\"data\":{\"a\":[1,2]}}");
	ck_assert(!n->messages.p[1].no_echo && !n->messages.p[1].expires);
	node_close(n);
}
END_TEST

START_TEST(a_large_body_is_carried_whole)
{
	enum { SIZE = 400000 };
	struct node *n = node_up("a", NULL);
	struct key room = room_key("large");
	char *body = malloc(SIZE + 1);

	memset(body, 'x', SIZE);
	body[0] = body[SIZE - 1] = '"';
	body[SIZE] = '\0';
	node_bind(n, room);
	for (uintptr_t i = 0; i < 3; i++)
		node_publish(n, room, body, i);
	WAIT_FOR(n->messages.n == 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(strstr(n->messages.p[i].frame, body));
	free(body);
	node_close(n);
}
END_TEST

START_TEST(a_full_publish_window_is_busy)
{
	struct node *n = node_up("a", "bus.publish_window=4");
	struct key room = room_key("window");
	struct bus_publication *fifth = bus_publication_new(&room, &(struct message){.body = STR("5")}, (void *)5);

	for (uintptr_t i = 1; i <= 4; i++)
		node_publish(n, room, "1", i);
	ck_assert_int_eq(bus_publish(n->bus, fifth), BUS_E_BUSY);
	WAIT_FOR(n->published.n >= 1);
	ck_assert_int_eq(bus_publish(n->bus, fifth), 0);
	WAIT_FOR(n->published.n == 5);
	for (uintptr_t i = 1; i <= 5; i++)
		ck_assert_int_eq(node_result(n, i), BUS_CONFIRMED);
	node_close(n);
}
END_TEST

/* BUSY while many are under way; each accepted one is answered once, in order. */
START_TEST(many_binds_are_answered_in_order)
{
	enum { N = 1000 };
	struct node *n = node_up("a", NULL);
	char name[32];

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "many.%d", i);
		struct key key = room_key(name);
		int rc = BUS_E_BUSY;
		WAIT_FOR((rc = bus_bind(n->bus, &key)) != BUS_E_BUSY);
		ck_assert_int_eq(rc, 0);
	}
	WAIT_FOR(n->bound.n == N);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "room.many.%d", i);
		ck_assert_str_eq(n->bound.p[i].key.text, name);
		ck_assert_int_eq(n->bound.p[i].result, BUS_BIND_OK);
	}
	node_publish(n, room_key("many.999"), "1", 1);
	WAIT_FOR(n->messages.n == 1);
	node_close(n);
}
END_TEST

START_TEST(deliveries_are_settled_in_any_order)
{
	enum { N = 300 };
	struct node *n = node_up("a", "bus.rabbitmq.prefetch=64");
	struct key room = room_key("settle");
	size_t settled = 0;

	n->hold = true;
	node_bind(n, room);
	for (uintptr_t i = 0; i < N; i++)
		node_publish(n, room, "1", i);
	while (settled < N) {
		WAIT_FOR(n->held.n > 0);
		/* the youngest first, every other one; then the rest */
		for (size_t i = n->held.n; i-- > 0;)
			if (i % 2)
				bus_settle(n->bus, n->held.p[i], BUS_ACCEPTED);
		for (size_t i = 0; i < n->held.n; i += 2)
			bus_settle(n->bus, n->held.p[i], i % 4 ? BUS_REJECTED : BUS_ACCEPTED);
		settled += n->held.n;
		n->held.n = 0;
	}
	n->hold = false;
	node_settle_down(n);
	ck_assert_uint_eq(node_messages(n, &room, NULL), N);
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 0);
	node_close(n);
}
END_TEST

START_TEST(close_with_work_under_way)
{
	struct node *n = node_up("a", NULL);
	struct key room = room_key("close");

	n->hold = true;
	node_bind(n, room);
	for (uintptr_t i = 0; i < 50; i++)
		node_publish(n, room, "1", i);
	WAIT_FOR(n->held.n >= 10);
	for (uintptr_t i = 0; i < 500; i++)
		node_publish(n, i % 2 ? room : user_key("absent"), "1", i);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(bus_bind(n->bus, &room), 0);
	for (size_t i = 0; i < n->held.n; i += 3)
		bus_settle(n->bus, n->held.p[i], i % 2 ? BUS_STRAY : BUS_ACCEPTED);
	uint64_t before = harness_now();
	node_close(n);
	ck_assert_uint_le(harness_now() - before, 4000);
}
END_TEST

START_TEST(close_at_once)
{
	uint64_t before = harness_now();
	node_close(node_open("a", NULL));
	ck_assert_uint_le(harness_now() - before, 4000);
}
END_TEST

START_TEST(two_nodes_meet)
{
	struct node *a = node_up("a", NULL), *b = node_up("b", NULL);
	struct key both = room_key("both"), only_b = room_key("only.b"), user = user_key("here-and-there");

	node_bind(a, both);
	node_bind(b, both);
	node_bind(b, only_b);
	node_bind(a, user);
	node_bind(b, user);
	ck_assert_int_eq(node_publish_wait(a, both, "\"both\"", 1), BUS_CONFIRMED);
	ck_assert_int_eq(node_publish_wait(a, only_b, "\"only\"", 2), BUS_CONFIRMED);
	ck_assert_int_eq(node_publish_wait(a, user, "\"user\"", 3), BUS_CONFIRMED);
	node_settle_down(a);
	node_settle_down(b);
	ck_assert_uint_eq(node_messages(a, &both, "\"both\""), 1);
	ck_assert_uint_eq(node_messages(b, &both, "\"both\""), 1);
	ck_assert_uint_eq(node_messages(a, &only_b, NULL), 0);
	ck_assert_uint_eq(node_messages(b, &only_b, "\"only\""), 1);
	ck_assert_uint_eq(node_messages(a, &user, NULL), 1);
	ck_assert_uint_eq(node_messages(b, &user, NULL), 1);
	node_unbind(b, user);
	ck_assert_int_eq(node_publish_wait(b, user, "\"again\"", 4), BUS_CONFIRMED);
	node_unbind(a, user);
	ck_assert_int_eq(node_publish_wait(b, user, "\"gone\"", 5), BUS_UNROUTED);
	node_close(a);
	node_close(b);
}
END_TEST

START_TEST(order_holds_between_nodes)
{
	enum { N = 2000 };
	struct node *a = node_up("a", NULL), *b = node_up("b", NULL), *c = node_up("c", NULL);
	struct key room = room_key("order");
	char body[32];

	node_bind(b, room);
	node_bind(c, room);
	for (uintptr_t i = 0; i < N; i++) {
		snprintf(body, sizeof(body), "\"n%ju.\"", (uintmax_t)i);
		node_publish(a, room, body, i + 1);
	}
	WAIT_FOR(a->published.n == N && b->messages.n == N && c->messages.n == N);
	for (size_t i = 0; i < N; i++) {
		snprintf(body, sizeof(body), "\"n%zu.\"", i);
		ck_assert_ptr_nonnull(strstr(b->messages.p[i].frame, body));
		ck_assert_ptr_nonnull(strstr(c->messages.p[i].frame, body));
	}
	node_close(a);
	node_close(b);
	node_close(c);
}
END_TEST

/* What the words "bound" and "confirmed" promise together: published by another the moment the bind is answered. */
START_TEST(nothing_after_bound_is_missed)
{
	enum { N = 300 };
	struct node *a = node_up("a", NULL), *b = node_up("b", NULL);
	char name[32];

	for (uintptr_t i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "now.%ju", (uintmax_t)i);
		struct key key = room_key(name);
		node_bind(b, key);
		node_publish(a, key, "1", i + 1);
	}
	WAIT_FOR(b->messages.n == N);
	node_close(a);
	node_close(b);
}
END_TEST

static TCase *tcase(Suite *suite, const char *name, const TTest *const *tests, size_t n)
{
	TCase *tc = tcase_create(name);
	tcase_set_timeout(tc, 120);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return tc;
}

void contract_add(Suite *suite)
{
	const TTest *const one_node[] = {
	    comes_up_with_nothing_bound,
	    is_unavailable_before_it_is_up,
	    what_is_bound_receives,
	    what_nobody_bound_is_confirmed_or_unrouted,
	    unbind_stops_delivery,
	    binding_twice_and_unbinding_twice_are_answered,
	    order_holds,
	    results_of_absent_users_keep_their_order,
	    odd_names_reach_only_their_own,
	    a_message_is_carried_whole,
	    a_large_body_is_carried_whole,
	    a_full_publish_window_is_busy,
	    many_binds_are_answered_in_order,
	    deliveries_are_settled_in_any_order,
	    close_with_work_under_way,
	    close_at_once,
	};
	const TTest *const many_nodes[] = {two_nodes_meet, order_holds_between_nodes, nothing_after_bound_is_missed};

	tcase(suite, "one_node", one_node, GRID_ARRAY_LEN(one_node));
	if (target.many_nodes)
		tcase(suite, "many_nodes", many_nodes, GRID_ARRAY_LEN(many_nodes));
}
