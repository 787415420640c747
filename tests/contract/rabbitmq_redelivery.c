/* What comes again after a lost link reaches nobody twice; and what waits for a publisher that is stuck holds up nobody
 * else. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rabbitmq_common.h"

#define CONSUMER "a consumer"
#define KNOWN_SETTLED "grid_rabbitmq_known_total{was=\"settled\"}"
#define KNOWN_HELD "grid_rabbitmq_known_total{was=\"held\"}"

/* {"n":1}, {"n":2} …: from a backend, and no two the same. */
static void publish_numbers(const char *exchange, const char *key, int from, int to)
{
	char body[32];

	for (int i = from; i <= to; i++) {
		snprintf(body, sizeof(body), "{\"n\":%d}", i);
		backend_publish(backend, exchange, key, &(struct backend_message){.body = body});
	}
}

/* All numbers up to `to` have come for the key, each once, in order. */
static void expect_numbers(const struct node *n, const struct key *key, int to)
{
	int next = 1;

	for (size_t i = 0; i < n->messages.n; i++) {
		const char *at = strstr(n->messages.p[i].frame, "{\"n\":");
		if (!at || strcmp(n->messages.p[i].keys[0], key->text) != 0)
			continue;
		ck_assert_int_eq(atoi(at + 5), next);
		next++;
	}
	ck_assert_int_eq(next, to + 1);
}

static void settle_held(struct node *n, size_t from, size_t to, enum bus_settle_how how)
{
	for (size_t i = from; i < to; i++)
		bus_settle(n->bus, n->held.p[i], how);
}

static void settle_older_half(struct node *n)
{
	size_t half = n->held.n / 2;

	settle_held(n, 0, half, BUS_ACCEPTED);
	for (size_t i = half; i < n->held.n; i++)
		n->held.p[i - half] = n->held.p[i];
	n->held.n -= half;
}

static void expect_all_acknowledged(struct node *n)
{
	node_settle_down(n);
	WAIT_FOR_MS(unacknowledged(n) == 0, 30000);
}

/* --- redelivery --------------------------------------------------------------------------------------------------- */

START_TEST(what_is_held_goes_on_under_a_new_tag)
{
	struct node *n = node_behind_proxy("a");
	struct key room = room_key("again");

	node_bind(n, room);
	n->hold = true;
	publish_numbers("grid.rooms", "room.again", 1, 10);
	WAIT_FOR(n->held.n == 10);
	settle_held(n, 0, 5, BUS_ACCEPTED);
	WAIT_FOR(node_metric(n, "grid_rabbitmq_ack_frames_total") >= 2);
	n->hold = false;
	proxy_cut(proxy, CONSUMER);
	wait_up_again(n, 1);
	ck_assert_uint_eq(node_metric(n, KNOWN_HELD), 5);
	WAIT_FOR(unacknowledged(n) == 5);
	settle_held(n, 5, 10, BUS_ACCEPTED);
	expect_all_acknowledged(n);
	expect_numbers(n, &room, 10);
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 1);
	close_behind_proxy(n);
}
END_TEST

START_TEST(what_is_settled_while_the_link_is_down_is_dropped_when_it_comes)
{
	struct node *n = node_behind_proxy("a");
	struct key room = room_key("again");

	node_bind(n, room);
	n->hold = true;
	publish_numbers("grid.rooms", "room.again", 1, 10);
	WAIT_FOR(n->held.n == 10);
	n->hold = false;
	proxy_refuse(proxy, true);
	proxy_cut(proxy, CONSUMER);
	WAIT_FOR(node_state(n) == BUS_DOWN);
	settle_held(n, 0, 10, BUS_ACCEPTED);
	proxy_refuse(proxy, false);
	wait_up_again(n, 1);
	ck_assert_uint_eq(node_metric(n, KNOWN_SETTLED), 10);
	expect_all_acknowledged(n);
	expect_numbers(n, &room, 10);
	close_behind_proxy(n);
}
END_TEST

/* The worst there is: a whole prefetch has reached clients, and the broker knows of none of it. */
START_TEST(acknowledgements_that_never_arrive)
{
	enum { PREFETCH = 100 };
	struct node *n = node_behind_proxy_with("a", "bus.rabbitmq.heartbeat=10s;bus.rabbitmq.prefetch=100");
	struct key room = room_key("late");

	node_bind(n, room);
	node_settle_down(n);
	WAIT_FOR(unacknowledged(n) == 0);
	proxy_withhold(proxy, CONSUMER);
	publish_numbers("grid.rooms", "room.late", 1, PREFETCH + 20);
	WAIT_FOR(node_messages(n, &room, NULL) == PREFETCH);
	proxy_cut(proxy, CONSUMER);
	wait_up_again(n, 1);
	expect_all_acknowledged(n);
	expect_numbers(n, &room, PREFETCH + 20);
	ck_assert_uint_eq(node_metric(n, KNOWN_SETTLED), PREFETCH);
	close_behind_proxy(n);
}
END_TEST

/* The same in every byte as one that clients have had long ago, and on its way when the link was lost. */
START_TEST(an_identical_message_is_not_taken_for_an_earlier_one)
{
	struct node *n = node_behind_proxy_with("a", "bus.rabbitmq.heartbeat=30s");
	struct key user = user_key("same");
	const struct backend_message same = {.body = "\"you have mail\""};

	node_bind(n, user);
	backend_publish(backend, "grid.users", "user.same", &same);
	WAIT_FOR(node_messages(n, &user, NULL) == 1);
	WAIT_FOR(unacknowledged(n) == 0);
	proxy_freeze(proxy, true);
	backend_publish(backend, "grid.users", "user.same", &same);
	WAIT_FOR(unacknowledged(n) == 1);
	proxy_cut(proxy, NULL);
	proxy_freeze(proxy, false);
	wait_up_again(n, 1);
	WAIT_FOR(node_messages(n, &user, NULL) == 2);
	expect_all_acknowledged(n);
	close_behind_proxy(n);
}
END_TEST

/* Each link is cut as soon as it delivers; what it did not get to comes on a later one. */
START_TEST(losses_in_a_row)
{
	enum { ROUNDS = 10, EACH = 60 };
	struct node *n = node_behind_proxy_with("a", "bus.rabbitmq.prefetch=50");
	struct key room = room_key("row");

	node_bind(n, room);
	for (int i = 0; i < ROUNDS; i++) {
		size_t before = n->messages.n;
		n->hold = i % 2;
		publish_numbers("grid.rooms", "room.row", i * EACH + 1, (i + 1) * EACH);
		WAIT_FOR(n->messages.n > before || n->held.n >= 50);
		settle_older_half(n);
		proxy_cut(proxy, CONSUMER);
		uint64_t connects = node_metric(n, "grid_rabbitmq_connects_total{link=\"consumer\"}");
		WAIT_FOR(node_metric(n, "grid_rabbitmq_connects_total{link=\"consumer\"}") > connects);
		proxy_cut(proxy, i % 3 ? CONSUMER : NULL);
	}
	settle_held(n, 0, n->held.n, BUS_ACCEPTED);
	n->held.n = 0;
	n->hold = false;
	WAIT_FOR(node_state(n) == BUS_UP);
	WAIT_FOR(node_messages(n, &room, NULL) >= ROUNDS * EACH);
	expect_all_acknowledged(n);
	expect_numbers(n, &room, ROUNDS * EACH);
	close_behind_proxy(n);
}
END_TEST

/* Handed over by the link that is left; it must not be handed over again. */
START_TEST(a_stray_is_handed_over_while_the_consumer_is_away)
{
	struct node *n = node_behind_proxy("a");
	struct key user = user_key("gone");

	node_bind(n, user);
	n->hold = true;
	publish_numbers("grid.users", "user.gone", 1, 3);
	WAIT_FOR(n->held.n == 3);
	n->hold = false;
	proxy_refuse(proxy, true);
	proxy_cut(proxy, CONSUMER);
	WAIT_FOR(node_state(n) == BUS_DOWN);
	settle_held(n, 0, 3, BUS_STRAY);
	WAIT_FOR(backend_ready(backend, OFFLINE) == 3);
	WAIT_FOR(node_metric(n, "grid_rabbitmq_strays_waiting") == 0);
	proxy_refuse(proxy, false);
	wait_up_again(n, 1);
	expect_all_acknowledged(n);
	ck_assert_int_eq(backend_ready(backend, OFFLINE), 3);
	expect_numbers(n, &user, 3);
	close_behind_proxy(n);
}
END_TEST

/* --- strays and a stuck publisher --------------------------------------------------------------------------------- */

/* Fills `count` with how often each number is in the offline queue; how many of them the broker put there. */
static int take_offline(int *count, int n)
{
	struct backend_got got;
	int dead = 0;

	while (backend_get(backend, OFFLINE, &got)) {
		int number = atoi(got.body + 5);
		ck_assert(number >= 1 && number <= n);
		count[number]++;
		bool by_broker = strstr(got.headers, "x-first-death-reason=rejected");
		bool by_us = strstr(got.headers, "grid-stray=");
		ck_assert_msg(by_broker != by_us, "%s", got.headers);
		dead += by_broker;
	}
	return dead;
}

START_TEST(strays_hold_up_nobody_while_publishing_is_blocked)
{
	enum { STRAYS = 40 };
	struct node *n = node_behind_proxy_with("a", "bus.rabbitmq.prefetch=16");
	struct key user = user_key("gone"), room = room_key("here");
	int count[STRAYS + 1] = {0};

	node_bind(n, user);
	node_bind(n, room);
	n->how = BUS_STRAY; /* a room's is dropped, as it would be when accepted */
	proxy_refuse(proxy, true);
	proxy_cut(proxy, NULL);
	WAIT_FOR(node_state(n) == BUS_DOWN);
	publish_numbers("grid.users", "user.gone", 1, STRAYS);
	publish_numbers("grid.rooms", "room.here", 1, STRAYS);
	ctl("-q set_vm_memory_high_watermark absolute 1");
	proxy_refuse(proxy, false);
	WAIT_FOR(node_messages(n, &room, NULL) == STRAYS);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_handed_over_total"), 0);
	uint64_t rejected = node_metric(n, "grid_rabbitmq_strays_rejected_total");
	ck_assert_uint_ge(rejected, STRAYS - 8);
	ctl("-q set_vm_memory_high_watermark 0.6");
	WAIT_FOR(node_state(n) == BUS_UP && node_metric(n, "grid_rabbitmq_strays_waiting") == 0);
	expect_all_acknowledged(n);
	ck_assert_int_eq(take_offline(count, STRAYS), (int)rejected);
	for (int i = 1; i <= STRAYS; i++)
		ck_assert_msg(count[i] == 1, "%d is there %d times", i, count[i]);
	expect_numbers(n, &user, STRAYS);
	close_behind_proxy(n);
}
END_TEST

/* It dead-letters once, under its first key, and with all keys in CC. */
START_TEST(a_rejected_stray_of_several_users_keeps_its_keys)
{
	struct node *n = node_behind_proxy_with("a", "bus.rabbitmq.prefetch=2");
	struct key user = user_key("first");

	node_bind(n, user);
	n->how = BUS_STRAY;
	proxy_refuse(proxy, true);
	proxy_cut(proxy, "a publisher");
	WAIT_FOR(node_state(n) == BUS_DOWN);
	for (int i = 0; i < 2; i++)
		backend_publish(backend, "grid.users", "user.first",
		                &(struct backend_message){.body = "1", .cc = {"user.second"}});
	WAIT_FOR(node_metric(n, "grid_rabbitmq_strays_rejected_total") == 1);
	struct backend_got got = offline();
	ck_assert_str_eq(got.routing_key, "user.first");
	ck_assert_ptr_nonnull(strstr(got.headers, "x-first-death-exchange=grid.users"));
	ck_assert_ptr_nonnull(strstr(got.headers, "CC=[user.second]"));
	proxy_refuse(proxy, false);
	wait_up_again(n, 1);
	close_behind_proxy(n);
}
END_TEST

void rabbitmq_redelivery_add(Suite *suite)
{
	const TTest *const tests[] = {
	    what_is_held_goes_on_under_a_new_tag,
	    what_is_settled_while_the_link_is_down_is_dropped_when_it_comes,
	    acknowledgements_that_never_arrive,
	    an_identical_message_is_not_taken_for_an_earlier_one,
	    losses_in_a_row,
	    a_stray_is_handed_over_while_the_consumer_is_away,
	    strays_hold_up_nobody_while_publishing_is_blocked,
	    a_rejected_stray_of_several_users_keeps_its_keys,
	};

	tcase_add_unchecked_fixture(add_case(suite, "redelivery", tests, GRID_ARRAY_LEN(tests)), NULL, restore_broker);
}
