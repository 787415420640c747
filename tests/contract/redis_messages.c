/* What others put on the channels, and where messages for absent users go. */
#include <stdlib.h>

#include "redis_common.h"

static const struct message from_seven = {.from = STR("7"), .type = STR("chat"), .body = STR("\"said\"")};

START_TEST(a_bare_body_is_a_message)
{
	static const char binary[] = {'\xff', 0, '\n'};
	struct node *n = node_up("a", NULL);
	struct key user = user_key("42"), room = room_key("eu.lobby");

	node_bind(n, user);
	node_bind(n, room);
	ck_assert_int_eq(redis_publish("grid.users:user.42", "{\"hi\":1}", 8), 1);
	ck_assert_int_eq(redis_publish("grid.rooms:room.eu.lobby", "", 0), 1);
	ck_assert_int_eq(redis_publish("grid.rooms:room.eu.lobby", binary, sizeof(binary)), 1);
	WAIT_FOR(n->messages.n == 3);
	ck_assert_uint_eq(node_messages(n, &user, "\"type\":\"message\",\"data\":{\"hi\":1}}"), 1);
	ck_assert_uint_eq(node_messages(n, &room, "\"data\":null}"), 1);
	ck_assert_uint_eq(node_messages(n, &room, "\"base64\":\"/wAK\"}"), 1);
	node_close(n);
}
END_TEST

START_TEST(an_envelope_of_a_node_is_believed)
{
	struct node *n = node_up("a", NULL);
	struct key room = room_key("r");

	node_bind(n, room);
	redis_publish_envelope("grid.rooms:room.r", "grid.rooms:room.r", &from_seven, REDIS_SECRET);
	WAIT_FOR(node_messages(n, &room, "\"from\":\"7\",\"type\":\"chat\",\"data\":\"said\"}") == 1);
	node_close(n);
}
END_TEST

START_TEST(forged_envelopes_are_dropped)
{
	struct node *n = node_up("a", NULL);
	struct key room = room_key("r");

	node_bind(n, room);
	redis_publish_envelope("grid.rooms:room.r", "grid.rooms:room.r", &from_seven, NULL);
	redis_publish_envelope("grid.rooms:room.r", "grid.rooms:room.r", &from_seven, "another-secret-than-ours");
	redis_publish_envelope("grid.rooms:room.r", "grid.rooms:room.other", &from_seven, REDIS_SECRET);
	node_settle_down(n);
	ck_assert_uint_eq(node_messages(n, &room, NULL), 0);
	ck_assert_uint_eq(node_metric(n, "grid_redis_dropped_total{reason=\"forged\"}"), 3);
	node_close(n);
}
END_TEST

START_TEST(trust_believes_everybody)
{
	struct node *n = node_up("a", "bus.redis.secret=;bus.redis.trust=true");
	struct key room = room_key("r");

	node_bind(n, room);
	redis_publish_envelope("grid.rooms:room.r", "grid.rooms:room.r", &from_seven, NULL);
	redis_publish_envelope("grid.rooms:room.r", "grid.rooms:room.r", &from_seven, "another-secret-than-ours");
	WAIT_FOR(node_messages(n, &room, "\"from\":\"7\"") == 2);
	ck_assert_int_eq(node_publish_wait(n, room, "1", 1), BUS_CONFIRMED);
	WAIT_FOR(node_messages(n, &room, "\"data\":1}") == 1);
	node_close(n);
}
END_TEST

START_TEST(bad_and_huge_payloads_are_dropped)
{
	enum { HUGE = 8 << 20 };
	static const char *const bad[] = {"GN1 ", "GN1 {}"};
	static const char *const unsigned_ones[] = {"GN1 {\n", "GN1 []\nbody", "GN1 {\"from\":NaN}\nbody", "GN1 \n"};
	struct node *n = node_up("a", "bus.redis.max_body=1024");
	struct key room = room_key("r");
	char *huge = calloc(1, HUGE);

	node_bind(n, room);
	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++)
		redis_publish("grid.rooms:room.r", bad[i], strlen(bad[i]));
	for (size_t i = 0; i < GRID_ARRAY_LEN(unsigned_ones); i++)
		redis_publish("grid.rooms:room.r", unsigned_ones[i], strlen(unsigned_ones[i]));
	redis_publish("grid.rooms:room.r", huge, HUGE);
	redis_publish("grid.rooms:room.r", huge, 1025);
	redis_publish("grid.rooms:room.r", huge, 1024);
	node_settle_down(n);
	ck_assert_uint_eq(node_messages(n, &room, NULL), 1);
	ck_assert_uint_eq(node_metric(n, "grid_redis_dropped_total{reason=\"envelope\"}"), GRID_ARRAY_LEN(bad));
	ck_assert_uint_eq(node_metric(n, "grid_redis_dropped_total{reason=\"forged\"}"), GRID_ARRAY_LEN(unsigned_ones));
	ck_assert_uint_eq(node_metric(n, "grid_redis_dropped_total{reason=\"size\"}"), 2);
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 0);
	free(huge);
	node_close(n);
}
END_TEST

START_TEST(an_absent_users_message_is_in_the_stream)
{
	struct node *n = node_up("a", NULL);
	struct key user = user_key("a.b");
	const struct message m = {
	    .id = STR("id-1"), .from = STR("7"), .type = STR("chat"), .ts = 1790000000123, .body = STR("{\"a\":1}")};

	node_publish_message(n, user, &m, 1);
	WAIT_FOR(node_result(n, 1) == BUS_UNROUTED);
	ck_assert_str_eq(redis_offline_field("key"), "user.a%2Eb");
	ck_assert_str_eq(redis_offline_field("body"), "{\"a\":1}");
	ck_assert_str_eq(redis_offline_field("stray"), "");
	ck_assert_ptr_nonnull(
	    strstr(redis_offline_field("properties"),
	           "{\"message_id\":\"id-1\",\"type\":\"chat\",\"from\":\"7\",\"ts\":1790000000123,\"sig\":\""));
	node_close(n);
}
END_TEST

START_TEST(what_is_for_absent_users_only_is_in_the_stream)
{
	struct node *n = node_up("a", NULL);
	struct key user = user_key("here");
	const struct message m = {.id = STR("id-1"), .body = STR("1")};

	node_bind(n, user);
	struct bus_publication *p = bus_publication_new(&user, &m, (void *)1);
	p->reach = BUS_TO_ABSENT;
	ck_assert_int_eq(bus_publish(n->bus, p), 0);
	WAIT_FOR(node_result(n, 1) == BUS_UNROUTED);
	node_settle_down(n);
	ck_assert_uint_eq(node_messages(n, &user, NULL), 0);
	ck_assert_str_eq(redis_offline_field("body"), "1");
	node_close(n);
}
END_TEST

START_TEST(types_of_ours_are_not_handed_over)
{
	struct node *n = node_up("a", NULL);
	struct key user = user_key("nobody"), here = user_key("here");
	const struct message m = {.type = STR("receipt"), .body = STR("1")};

	n->how = BUS_STRAY;
	node_bind(n, here);
	node_publish_message(n, user, &m, 1);
	node_publish_message(n, here, &m, 2);
	WAIT_FOR(node_result(n, 1) == BUS_UNROUTED && node_result(n, 2) == BUS_CONFIRMED);
	WAIT_FOR(node_messages(n, &here, NULL) == 1);
	node_settle_down(n);
	ck_assert_uint_eq(redis_offline(), 0);
	node_close(n);
}
END_TEST

START_TEST(strays_go_into_the_stream)
{
	struct node *n = node_up("a", NULL);

	n->how = BUS_STRAY;
	node_bind(n, user_key("gone"));
	node_bind(n, room_key("gone"));
	redis_publish("grid.rooms:room.gone", "1", 1);
	redis_publish("grid.users:user.gone", "{\"hi\":1}", 8);
	WAIT_FOR(redis_offline() == 1);
	ck_assert_str_eq(redis_offline_field("key"), "user.gone");
	ck_assert_str_eq(redis_offline_field("properties"), "{}");
	ck_assert_str_eq(redis_offline_field("body"), "{\"hi\":1}");
	ck_assert_str_eq(redis_offline_field("stray"), n->id);
	WAIT_FOR(node_metric(n, "grid_redis_strays_waiting") == 0);
	node_close(n);
}
END_TEST

START_TEST(strays_are_in_the_stream_when_the_bus_is_closed)
{
	enum { N = 300 };
	struct node *n = node_up("a", NULL);

	n->hold = true;
	node_bind(n, user_key("gone"));
	for (int i = 0; i < N; i++)
		redis_publish("grid.users:user.gone", "1", 1);
	WAIT_FOR(n->held.n == N);
	for (int i = 0; i < N / 3; i++)
		bus_settle(n->bus, n->held.p[i], BUS_STRAY);
	for (int i = N / 3; i < 2 * N / 3; i++)
		bus_settle(n->bus, n->held.p[i], BUS_ACCEPTED);
	node_close(n); /* the last third is still core's */
	ck_assert_uint_eq(redis_offline(), 2 * N / 3);
}
END_TEST

/* Publishes work as far as they need no memory; what was not kept is not called routed. */
START_TEST(a_full_redis_fails_what_it_cannot_keep)
{
	struct node *n = node_up("a", NULL);
	struct key here = user_key("here");

	node_bind(n, here);
	redis_run("CONFIG SET maxmemory 1");
	ck_assert_int_eq(node_publish_wait(n, user_key("nobody"), "1", 1), BUS_FAILED);
	ck_assert_int_eq(node_publish_wait(n, here, "2", 2), BUS_CONFIRMED);
	WAIT_FOR(n->messages.n == 1); /* it may come after its confirmation */
	n->how = BUS_STRAY;
	node_publish(n, here, "3", 3);
	WAIT_FOR(node_metric(n, "grid_redis_strays_refused_total") == 1);
	ck_assert_uint_eq(node_metric(n, "grid_redis_strays_waiting"), 1);
	redis_run("CONFIG SET maxmemory 0");
	WAIT_FOR(redis_offline() == 1);
	ck_assert_str_eq(redis_offline_field("body"), "3");
	node_close(n);
}
END_TEST

START_TEST(the_stream_is_capped)
{
	enum { N = 1000 };
	struct node *n = node_up("a", "bus.redis.offline_max=100");

	for (uintptr_t i = 1; i <= N; i++)
		node_publish(n, user_key("nobody"), "1", i);
	WAIT_FOR(n->published.n == N);
	ck_assert_uint_ge(redis_offline(), 100);
	ck_assert_uint_le(redis_offline(), 300); /* Redis trims by whole nodes of its own */
	node_close(n);
}
END_TEST

void redis_messages_add(Suite *suite)
{
	const TTest *const tests[] = {
	    a_bare_body_is_a_message,
	    an_envelope_of_a_node_is_believed,
	    forged_envelopes_are_dropped,
	    trust_believes_everybody,
	    bad_and_huge_payloads_are_dropped,
	    an_absent_users_message_is_in_the_stream,
	    what_is_for_absent_users_only_is_in_the_stream,
	    types_of_ours_are_not_handed_over,
	    strays_go_into_the_stream,
	    strays_are_in_the_stream_when_the_bus_is_closed,
	    a_full_redis_fails_what_it_cannot_keep,
	    the_stream_is_capped,
	};
	redis_case(suite, "redis_messages", tests, GRID_ARRAY_LEN(tests));
}
