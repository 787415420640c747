/* What backends may send, and what of it is believed. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rabbitmq_common.h"

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

/* Several frames of body, so that there is something to skip. */
START_TEST(a_body_that_is_too_large_becomes_a_dead_letter)
{
	enum { SIZE = 400000 };
	struct node *n = node_up("a", "bus.rabbitmq.max_body=300000");
	char *body = malloc(SIZE);

	memset(body, '1', SIZE);
	node_bind(n, user_key("7"));
	node_bind(n, room_key("r"));
	backend_publish(backend, "grid.users", "user.7",
	                &(struct backend_message){.body = body, .body_n = SIZE, .message_id = "large"});
	backend_publish(backend, "grid.rooms", "room.r", &(struct backend_message){.body = body, .body_n = SIZE});
	backend_publish(backend, "grid.users", "user.7", &(struct backend_message){.body = body, .body_n = 300000});
	WAIT_FOR(n->messages.n == 1);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_dropped_total{reason=\"size\"}"), 2);
	ck_assert_str_eq(offline().message_id, "large");
	node_settle_down(n);
	ck_assert_int_eq(backend_ready(backend, OFFLINE), 0);
	WAIT_FOR_MS(unacknowledged(n) == 0, 30000);
	free(body);
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
	backend_publish(backend, "grid.nodes", "all",
	                &(struct backend_message){.body = "grid.node.other", .type = "grid.hello"});
	node_settle_down(n);
	ck_assert_uint_eq(n->messages.n, 1);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_dropped_total{reason=\"exchange\"}"), 1);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_dropped_total{reason=\"control\"}"), 3);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_peers "), 0);
	WAIT_FOR_MS(unacknowledged(n) == 0, 30000);
	node_close(n);
}
END_TEST

void rabbitmq_backends_add(Suite *suite)
{
	const TTest *const tests[] = {
	    odd_bodies_go_through,
	    properties_of_backends_are_kept_or_not_believed,
	    cc_keys_are_looked_up_too,
	    a_body_that_is_too_large_becomes_a_dead_letter,
	    foreign_ways_to_the_queue_lead_nowhere,
	};

	add_case(suite, "backends", tests, GRID_ARRAY_LEN(tests));
}
