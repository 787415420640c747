/* The failover driver, one story at a time. What must hold in all of them is checked as it happens (fake_grid.h). */
#include "fake_grid.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

/* `n` messages, one a step, from each node to its rooms. */
static void chat(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (int from = 0; from < NODES; from++)
			MUST(publish(from, (int)(i % 2)) >= 0, "it is not taken");
		grid_step();
	}
}

static void hold_link(enum side side, int node)
{
	cut(link_of(side, node), 50);
	link_of(side, node)->held_down = true;
}

static size_t offline_copies(void)
{
	size_t n = 0;
	for (size_t i = 0; i < n_messages; i++)
		n += (size_t)messages[i].offline;
	return n;
}

static void user_is_at(int node)
{
	for (int i = 0; i < NODES; i++)
		nodes[i].members[USER_KEY].wanted = i == node;
	RUN_UNTIL(node < 0 || nodes[node].members[USER_KEY].has == YES, 5000);
	for (int i = 0; i < NODES; i++)
		RUN_UNTIL(i == node || nodes[i].members[USER_KEY].has == NO, 5000);
}

static void everybody_got_everything_in_order(void)
{
	grid_check();
	ck_assert_uint_eq(disorder, 0);
	for (size_t i = 0; i < n_messages; i++)
		MUST(messages[i].result != BUS_FAILED, "message %zu", i);
}

/* --- all is well -------------------------------------------------------------------------------------------------- */

START_TEST(nothing_goes_over_the_fallback_while_all_is_well)
{
	grid_up(1);
	chat(100);
	grid_run(1000);
	everybody_got_everything_in_order();
	ck_assert_uint_eq(grid_metric(0, "grid_bus_publishes_total{bus=\"fallback\"} "), 0);
	ck_assert_uint_eq(grid_metric(0, "grid_bus_publishes_total{bus=\"primary\"} "), 100);
	ck_assert_uint_eq(grid_metric(0, "grid_bus_publishes_total "), 100);
	for (int i = 0; i < NODES; i++)
		ck_assert(link_of(SIDE_FALLBACK, i)->bound[0] && link_of(SIDE_PRIMARY, i)->bound[0]);
	grid_close();
}
END_TEST

START_TEST(a_user_is_there_or_not)
{
	grid_up(2);
	user_is_at(2);
	int there = publish(0, USER_KEY);
	grid_run(500);
	ck_assert_int_eq(messages[there].result, BUS_CONFIRMED);
	user_is_at(-1);
	int absent = publish(0, USER_KEY);
	grid_run(500);
	ck_assert_int_eq(messages[absent].result, BUS_UNROUTED);
	ck_assert_uint_eq(offline_copies(), 1);
	grid_close();
}
END_TEST

START_TEST(the_window_of_publishes_is_bounded)
{
	grid_up(3);
	int accepted = 0;
	while (publish(0, 0) >= 0)
		accepted++;
	ck_assert_int_eq(accepted, (int)grid_config.publish_window);
	grid_run(3000);
	ck_assert_int_ge(publish(0, 0), 0);
	grid_run(1000);
	everybody_got_everything_in_order();
	grid_close();
}
END_TEST

/* --- the primary fails -------------------------------------------------------------------------------------------- */

START_TEST(a_killed_primary)
{
	grid_up(4);
	chat(50);
	kill_broker(SIDE_PRIMARY, false); /* with what lay in its queues */
	chat(500);
	ck_assert(all_on("fallback"));
	start_broker(SIDE_PRIMARY);
	for (int i = 0; i < 20 && !all_on("primary"); i++)
		chat(100);
	ck_assert(all_on("primary"));
	chat(100);
	grid_run(2000);
	everybody_got_everything_in_order();
	for (int i = 0; i < NODES; i++)
		ck_assert_uint_le(nodes[i].gap_ms, 1500);
	grid_close();
}
END_TEST

/* Its links stand, and nothing moves: noticed by what is not confirmed. */
START_TEST(a_frozen_primary)
{
	grid_up(5);
	chat(50);
	brokers[SIDE_PRIMARY].frozen = true;
	for (int i = 0; i < 500; i++) {
		publish(i % NODES, i % 2); /* or not: the window may be full */
		grid_step();
	}
	ck_assert(all_on("fallback"));
	uint64_t sent = grid_metric(0, "grid_bus_publishes_total{bus=\"primary\"} ");
	thaw(SIDE_PRIMARY);
	RUN_UNTIL(all_on("primary"), 10000);
	ck_assert_uint_eq(grid_metric(0, "grid_bus_publishes_total{bus=\"primary\"} "),
	                  sent); /* nothing was left to send */
	grid_run(2000);
	everybody_got_everything_in_order();
	for (int i = 0; i < NODES; i++)
		ck_assert_uint_le(nodes[i].gap_ms, 2500);
	grid_close();
}
END_TEST

START_TEST(a_join_on_a_frozen_primary)
{
	grid_up(6);
	brokers[SIDE_PRIMARY].frozen = true;
	nodes[1].members[2].wanted = true;
	RUN_UNTIL(nodes[1].members[2].has == YES, 2500);
	ck_assert_str_eq(route(1), "fallback");
	publish(1, 2);
	grid_run(3000);
	thaw(SIDE_PRIMARY);
	RUN_UNTIL(all_on("primary"), 10000);
	everybody_got_everything_in_order();
	ck_assert(link_of(SIDE_PRIMARY, 1)->bound[2]);
	grid_close();
}
END_TEST

/* Binds wait behind one another, each longer than an answer may take; but answers come. */
START_TEST(a_primary_that_is_slow_to_bind_is_not_doubted)
{
	grid_open(31);
	RUN_UNTIL(all_on("primary"), 20000);
	grid_run(1000);
	brokers[SIDE_PRIMARY].bind_takes_ms = 1000;
	for (int key = 0; key < KEYS; key++)
		nodes[1].members[key].wanted = true;
	for (int key = 0; key < KEYS; key++) {
		RUN_UNTIL(nodes[1].members[key].has == YES || !all_on("primary"), 1500);
		ck_assert(all_on("primary"));
	}
	ck_assert(link_of(SIDE_PRIMARY, 1)->bound[KEYS - 1]);
	grid_close();
}
END_TEST

START_TEST(a_blocked_primary)
{
	grid_up(7);
	brokers[SIDE_PRIMARY].blocked = true;
	chat(300);
	ck_assert(all_on("fallback"));
	for (int i = 0; i < NODES; i++)
		ck_assert_int_eq(nodes[i].state, BUS_UP);
	thaw(SIDE_PRIMARY);
	RUN_UNTIL(all_on("primary"), 10000);
	grid_run(2000);
	everybody_got_everything_in_order();
	grid_close();
}
END_TEST

/* Without a fallback it is as if there had never been one. */
START_TEST(a_blocked_primary_and_no_fallback)
{
	grid_up(8);
	kill_broker(SIDE_FALLBACK, true);
	grid_run(1000);
	brokers[SIDE_PRIMARY].blocked = true;
	publish(0, 0);
	RUN_UNTIL(nodes[0].state == BUS_BLOCKED, 1000);
	ck_assert_str_eq(route(0), "blocked");
	ck_assert_int_eq(publish(0, 0), -1);
	thaw(SIDE_PRIMARY);
	RUN_UNTIL(nodes[0].state == BUS_UP, 1000);
	grid_run(2000);
	everybody_got_everything_in_order();
	grid_close();
}
END_TEST

/* Nothing goes anywhere, and nothing is to be tried until one of them says something. */
START_TEST(a_blocked_primary_that_loses_the_fallback)
{
	grid_up(40);
	chat(50);
	brokers[SIDE_PRIMARY].blocked = true;
	chat(20);
	RUN_UNTIL(all_on("fallback"), 3000);
	chat(50);
	kill_broker(SIDE_FALLBACK, true);
	RUN_UNTIL(nodes[0].state == BUS_BLOCKED, 5000);
	grid_run(1000);
	wakes = 0;
	grid_run(2000);
	ck_assert_uint_lt(wakes, 20);
	thaw(SIDE_PRIMARY);
	RUN_UNTIL(nodes[0].state == BUS_UP, 1000);
	grid_run(2000);
	grid_check();
	grid_close();
}
END_TEST

/* Messages go back only when the primary has every key that was promised meanwhile. */
START_TEST(no_return_before_all_keys_are_bound)
{
	grid_up(100 + (uint64_t)_i);
	kill_broker(SIDE_PRIMARY, true);
	RUN_UNTIL(all_on("fallback"), 3000);
	nodes[0].members[2].wanted = true;
	RUN_UNTIL(nodes[0].members[2].has == YES, 1000);
	start_broker(SIDE_PRIMARY);
	latency_ms = 700;
	RUN_UNTIL(strcmp(route(0), "fallback") != 0, 20000);
	for (int key = 0; key < 3; key++)
		ck_assert(link_of(SIDE_PRIMARY, 0)->bound[key]);
	RUN_UNTIL(all_on("primary"), 20000);
	latency_ms = 60;
	chat(50);
	grid_run(3000);
	everybody_got_everything_in_order();
	grid_close();
}
END_TEST

/* Nor before it has the one again that it has forgotten, though it is as it was, as far as anybody knows. */
START_TEST(no_return_before_a_forgotten_key_is_bound)
{
	struct link *link = link_of(SIDE_PRIMARY, 0);

	grid_up(900 + (uint64_t)_i);
	kill_broker(SIDE_PRIMARY, false);
	link->bound[1] = false;
	RUN_UNTIL(all_on("fallback"), 3000);
	start_broker(SIDE_PRIMARY);
	brokers[SIDE_PRIMARY].bind_takes_ms = 2000; /* longer than it has to be back */
	RUN_UNTIL(strcmp(route(0), "fallback") != 0, 20000);
	ck_assert(link->bound[0] && link->bound[1]);
	for (int i = 0; i < 20 && !all_on("primary"); i++)
		chat(100);
	grid_run(2000);
	ck_assert(all_on("primary"));
	everybody_got_everything_in_order();
	grid_close();
}
END_TEST

/* One that falls again and again is trusted less each time. */
START_TEST(a_primary_that_comes_and_goes)
{
	uint64_t back_after[4];

	grid_up(10);
	for (int i = 0; i < 4; i++) {
		cut(link_of(SIDE_PRIMARY, 0), 0);
		uint64_t since = grid_now;
		RUN_UNTIL(strcmp(route(0), "fallback") == 0, 1000);
		RUN_UNTIL(strcmp(route(0), "primary") == 0, 30000);
		back_after[i] = grid_now - since;
	}
	for (int i = 1; i < 4; i++)
		ck_assert_uint_gt(back_after[i], back_after[i - 1]);
	grid_run(70000);
	cut(link_of(SIDE_PRIMARY, 0), 0);
	grid_run(100);
	RUN_UNTIL(strcmp(route(0), "primary") == 0, 2500);
	grid_close();
}
END_TEST

/* --- one node loses the primary ----------------------------------------------------------------------------------- */

START_TEST(one_node_cut_off_hears_and_is_heard)
{
	grid_up(11);
	chat(50);
	hold_link(SIDE_PRIMARY, 1);
	chat(500);
	ck_assert_str_eq(route(1), "fallback");
	ck_assert_str_eq(route(0), "both");
	ck_assert_str_eq(route(2), "both");
	for (int i = 0; i < NODES; i++)
		ck_assert_uint_le(nodes[i].gap_ms, 1000); /* not only when it is back */
	link_of(SIDE_PRIMARY, 1)->held_down = false;
	for (int i = 0; i < 20 && !all_on("primary"); i++)
		chat(100);
	grid_run(2000);
	ck_assert(all_on("primary"));
	everybody_got_everything_in_order();
	ck_assert_uint_eq(grid_metric(0, "grid_failover_peers_cut "), 0);
	grid_close();
}
END_TEST

/* Its notice expires by itself. */
START_TEST(a_node_that_is_cut_off_dies)
{
	grid_up(12);
	hold_link(SIDE_PRIMARY, 1);
	RUN_UNTIL(strcmp(route(0), "both") == 0, 2000);
	hold_link(SIDE_FALLBACK, 1);
	RUN_UNTIL(strcmp(route(0), "primary") == 0 && strcmp(route(2), "primary") == 0, 4000);
	ck_assert_int_eq(nodes[1].state, BUS_DOWN);
	ck_assert_int_eq(publish(1, 0), -1);
	grid_close();
}
END_TEST

/* Over both buses, and yet one copy for an absent user, none for one who is there on either. */
START_TEST(absent_users_while_a_node_is_cut_off)
{
	grid_up(13);
	hold_link(SIDE_PRIMARY, 1);
	RUN_UNTIL(strcmp(route(0), "both") == 0, 2000);
	user_is_at(1); /* known to the fallback only */
	int there = publish(0, USER_KEY);
	grid_run(1000);
	ck_assert_int_eq(messages[there].result, BUS_CONFIRMED);
	ck_assert_int_eq(messages[there].got[1], 1);
	user_is_at(2);
	int on_both = publish(0, USER_KEY);
	grid_run(1000);
	ck_assert_int_eq(messages[on_both].result, BUS_CONFIRMED);
	ck_assert_uint_eq(offline_copies(), 0);
	link_of(SIDE_PRIMARY, 1)->held_down = false;
	RUN_UNTIL(all_on("primary"), 10000);
	user_is_at(-1);
	hold_link(SIDE_PRIMARY, 1);
	RUN_UNTIL(strcmp(route(0), "both") == 0, 2000);
	int absent = publish(0, USER_KEY);
	grid_run(1000);
	ck_assert_int_eq(messages[absent].result, BUS_UNROUTED);
	ck_assert_int_eq(messages[absent].offline, 1);
	ck_assert_uint_eq(offline_copies(), 1);
	everybody_got_everything_in_order();
	grid_close();
}
END_TEST

/* The order of one publisher holds, also between a user's message that waits for the fallback and the next ones. */
START_TEST(order_to_a_user_while_a_node_is_cut_off)
{
	grid_up(14);
	user_is_at(2);
	hold_link(SIDE_PRIMARY, 1);
	RUN_UNTIL(strcmp(route(0), "both") == 0, 2000);
	for (int i = 0; i < 60; i++) {
		publish(0, USER_KEY);
		if (i % 3 == 0)
			grid_step();
	}
	link_of(SIDE_PRIMARY, 1)->held_down = false;
	RUN_UNTIL(all_on("primary"), 10000);
	grid_run(1000);
	everybody_got_everything_in_order();
	ck_assert_uint_eq(offline_copies(), 0);
	grid_close();
}
END_TEST

/* What the fallback kept for absent users goes to where the primary keeps it. */
START_TEST(absent_users_messages_are_moved)
{
	enum { N = 20 };
	grid_up(25);
	kill_broker(SIDE_PRIMARY, false);
	RUN_UNTIL(all_on("fallback"), 3000);
	for (int i = 0; i < N; i++) {
		ck_assert_int_ge(publish(i % NODES, USER_KEY), 0);
		grid_run(50);
	}
	grid_run(200); /* the last one is there, too */
	struct queued *q;
	int kept;
	DL_COUNT(brokers[SIDE_FALLBACK].store, q, kept);
	ck_assert_int_eq(kept, N);
	start_broker(SIDE_PRIMARY);
	RUN_UNTIL(!brokers[SIDE_FALLBACK].store, 60000);
	DL_COUNT(brokers[SIDE_PRIMARY].store, q, kept);
	ck_assert_int_eq(kept, N);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(messages[i].offline, 1);
	ck_assert_uint_eq(grid_metric(0, "grid_failover_moved_total ") + grid_metric(1, "grid_failover_moved_total ") +
	                      grid_metric(2, "grid_failover_moved_total "),
	                  N);
	grid_close();
}
END_TEST

/* Dies the primary meanwhile, nothing is deleted that it has not confirmed. */
START_TEST(moving_is_interrupted)
{
	enum { N = 20 };
	grid_up(400 + (uint64_t)_i);
	kill_broker(SIDE_PRIMARY, false);
	RUN_UNTIL(all_on("fallback"), 3000);
	for (int i = 0; i < N; i++) {
		publish(i % NODES, USER_KEY);
		grid_run(50);
	}
	start_broker(SIDE_PRIMARY);
	RUN_UNTIL(brokers[SIDE_PRIMARY].store, 60000);
	grid_run(chance(300));
	cut(link_of(_i % 2 ? SIDE_PRIMARY : SIDE_FALLBACK, 0), 20);
	cut(link_of(_i % 2 ? SIDE_PRIMARY : SIDE_FALLBACK, 1), 20);
	cut(link_of(_i % 2 ? SIDE_PRIMARY : SIDE_FALLBACK, 2), 20);
	RUN_UNTIL(!brokers[SIDE_FALLBACK].store, 120000);
	for (int i = 0; i < N; i++)
		ck_assert_int_ge(messages[i].offline, 1);
	grid_close();
}
END_TEST

/* --- the fallback fails ------------------------------------------------------------------------------------------- */

START_TEST(nobody_notices_the_fallback)
{
	grid_up(15);
	chat(50);
	kill_broker(SIDE_FALLBACK, true);
	chat(200);
	ck_assert(all_on("primary"));
	nodes[0].members[2].wanted = true;
	RUN_UNTIL(nodes[0].members[2].has == YES, 500);
	start_broker(SIDE_FALLBACK);
	grid_run(3000);
	brokers[SIDE_FALLBACK].frozen = true;
	chat(200);
	nodes[1].members[2].wanted = true;
	RUN_UNTIL(nodes[1].members[2].has == YES, 2500); /* until its watchdog cuts it */
	ck_assert(all_on("primary"));
	thaw(SIDE_FALLBACK);
	grid_run(3000);
	ck_assert(link_of(SIDE_FALLBACK, 0)->bound[2] && link_of(SIDE_FALLBACK, 1)->bound[2]);
	everybody_got_everything_in_order();
	for (int i = 0; i < NODES; i++)
		ck_assert_uint_le(nodes[i].gap_ms, 300);
	grid_close();
}
END_TEST

/* A join does not fail for the bus that nobody needs now. */
START_TEST(a_key_that_the_fallback_refuses)
{
	grid_up(28);
	link_of(SIDE_FALLBACK, 0)->refuses[2] = true;
	nodes[0].members[2].wanted = true;
	RUN_UNTIL(nodes[0].members[2].has == YES, 1000);
	ck_assert(link_of(SIDE_PRIMARY, 0)->bound[2] && !link_of(SIDE_FALLBACK, 0)->bound[2]);
	ck_assert_uint_eq(grid_metric(0, "grid_failover_refused "), 1);
	link_of(SIDE_FALLBACK, 0)->refuses[2] = false;
	RUN_UNTIL(link_of(SIDE_FALLBACK, 0)->bound[2], 6000);
	grid_run(200);
	ck_assert_uint_eq(grid_metric(0, "grid_failover_refused "), 0);
	grid_close();
}
END_TEST

START_TEST(a_key_that_the_primary_refuses)
{
	grid_up(29);
	link_of(SIDE_PRIMARY, 0)->refuses[2] = true;
	ck_assert_int_eq(bus_bind(nodes[0].bus, &keys[2]), 0);
	nodes[0].members[2] = (struct member){.asked = 1, .has = ASKED};
	RUN_UNTIL(!nodes[0].members[2].asked, 1000);
	ck_assert_int_eq(nodes[0].members[2].has, NO);
	grid_close();
}
END_TEST

/* Where there is no other it decides. */
START_TEST(a_key_that_the_fallback_refuses_while_it_is_all_there_is)
{
	grid_up(30);
	kill_broker(SIDE_PRIMARY, false);
	RUN_UNTIL(all_on("fallback"), 3000);
	link_of(SIDE_FALLBACK, 0)->refuses[2] = true;
	ck_assert_int_eq(bus_bind(nodes[0].bus, &keys[2]), 0);
	nodes[0].members[2] = (struct member){.asked = 1, .has = ASKED};
	RUN_UNTIL(!nodes[0].members[2].asked, 1000);
	ck_assert_int_eq(nodes[0].members[2].has, NO);
	grid_close();
}
END_TEST

/* Both buses dead, the fallback with what it had confirmed and not delivered. */
static void die_on_the_fallback(void)
{
	kill_broker(SIDE_PRIMARY, false);
	RUN_UNTIL(all_on("fallback"), 3000);
	chat(100);
	kill_broker(SIDE_FALLBACK, true);
	RUN_UNTIL(nodes[0].state == BUS_DOWN && nodes[1].state == BUS_DOWN && nodes[2].state == BUS_DOWN, 3000);
}

static void all_confirmed_came(void)
{
	for (size_t i = 0; i < n_messages; i++)
		for (int n = 0; n < NODES && messages[i].result == BUS_CONFIRMED; n++)
			MUST(messages[i].got[n] == 1, "message %zu at n%d", i, n);
}

/* Who hears it again says since when it has not. */
START_TEST(the_fallback_dies_while_it_is_all_there_is)
{
	grid_up(200 + (uint64_t)_i);
	die_on_the_fallback();
	start_broker(SIDE_FALLBACK);
	RUN_UNTIL(all_on("fallback"), 5000);
	grid_run(3000);
	all_confirmed_came();
	grid_close();
}
END_TEST

/* Before half a second is over, in which what came after that is held back. */
START_TEST(who_hears_the_fallback_later_asks_at_once)
{
	grid_up(500 + (uint64_t)_i);
	latency_ms = _i % 2 ? 20 : 60;
	chat(4);
	grid_run(1000);
	kill_broker(SIDE_PRIMARY, false);
	kill_broker(SIDE_FALLBACK, true);
	RUN_UNTIL(nodes[0].state == BUS_DOWN && nodes[1].state == BUS_DOWN && nodes[2].state == BUS_DOWN, 3000);
	for (int i = 0; i < NODES * KEYS; i++)
		nodes[i / KEYS].members[i % KEYS].since_ms = 0; /* look at the order nevertheless */
	start_broker(SIDE_FALLBACK);
	for (int i = 0; i < 150; i++) {
		if (i % 8 < NODES && nodes[i % 8].state == BUS_UP)
			MUST(publish(i % 8, 0) >= 0, "it is not taken");
		grid_step();
	}
	ck_assert(all_on("fallback"));
	grid_run(3000);
	ck_assert_uint_eq(disorder, 0);
	all_confirmed_came();
	grid_close();
}
END_TEST

/* One node's link to the fallback breaks while that is all there is. What the others publish reaches the broker before
 * the node is there again, and their confirms come after the node has asked what it missed. */
START_TEST(what_was_under_way_when_a_peer_asked)
{
	grid_up(700 + (uint64_t)_i);
	kill_broker(SIDE_PRIMARY, false);
	RUN_UNTIL(all_on("fallback"), 3000);
	chat(20);
	cut(link_of(SIDE_FALLBACK, 0), 0);
	link_of(SIDE_FALLBACK, 0)->connect_ms = grid_now + 50;
	link_of(SIDE_FALLBACK, 1)->slow_ms = 400;
	for (int i = 0; i < 100; i++) {
		for (int from = 1; from < NODES; from++)
			publish(from, 0); /* or not: the window may be full */
		if (i % 4 == 0)
			grid_run(4 * STEP_MS);
	}
	RUN_UNTIL(all_on("fallback"), 5000);
	grid_run(10000);
	all_confirmed_came();
	grid_close();
}
END_TEST

/* Node 1 is heard over the fallback alone, and that binds slowly: node 0 can only ask for what it has missed when more
 * comes already. */
START_TEST(a_fallback_that_is_slow_to_bind)
{
	grid_up(800 + (uint64_t)_i);
	hold_link(SIDE_PRIMARY, 1);
	RUN_UNTIL(strcmp(route(0), "both") == 0, 2000);
	grid_run(5000);
	hold_link(SIDE_FALLBACK, 0);
	grid_run(200);
	for (int i = 0; i < 5; i++)
		ck_assert_int_ge(publish(1, 1), 0);
	grid_run(200);
	brokers[SIDE_FALLBACK].bind_takes_ms = 2500;
	link_of(SIDE_FALLBACK, 0)->held_down = false;
	for (int i = 0; !link_of(SIDE_FALLBACK, 0)->bound[1]; i++) { /* the later one of its two keys */
		if (i % 40 == 0)
			ck_assert_int_ge(publish(1, 1), 0);
		grid_step();
	}
	for (int i = 0; i < 50; i++) {
		ck_assert_int_ge(publish(1, 1), 0);
		grid_run(30);
	}
	grid_run(3000);
	ck_assert_uint_gt(grid_metric(1, "grid_failover_replayed_total{bus=\"fallback\"} "), 0);
	everybody_got_everything_in_order();
	grid_close();
}
END_TEST

/* A message of node 1, under way over the fallback when node 0 asks for what it may have missed. Returns when it has
 * been confirmed, and goes once more. */
static int goes_once_more(int key)
{
	static const char replayed[] = "grid_failover_replayed_total{bus=\"fallback\"} ";

	kill_broker(SIDE_PRIMARY, false);
	RUN_UNTIL(all_on("fallback"), 3000);
	link_of(SIDE_FALLBACK, 1)->slow_ms = 400;
	int record = publish(1, key);
	cut(link_of(SIDE_FALLBACK, 0), 0);
	link_of(SIDE_FALLBACK, 0)->connect_ms = grid_now + 50;
	RUN_UNTIL(grid_metric(1, replayed) == 1, 2000);
	return record;
}

START_TEST(confirmed_once_is_confirmed)
{
	grid_up(42);
	int record = goes_once_more(0);
	kill_broker(SIDE_FALLBACK, true); /* before the second answer */
	RUN_UNTIL(nodes[1].state == BUS_DOWN, 3000);
	ck_assert_int_eq(messages[record].result, BUS_CONFIRMED);
	grid_close();
}
END_TEST

/* What he has had is not kept for him as well. */
START_TEST(a_user_who_leaves_before_it_goes_once_more)
{
	grid_up(43);
	user_is_at(2);
	int record = goes_once_more(USER_KEY);
	link_of(SIDE_FALLBACK, 2)->bound[USER_KEY] = false;
	grid_run(3000);
	ck_assert_int_eq(messages[record].result, BUS_CONFIRMED);
	ck_assert_int_eq(messages[record].got[2], 1);
	ck_assert_uint_eq(offline_copies(), 0);
	grid_close();
}
END_TEST

/* It is for those who are present on the fallback, since the primary has taken care of the absent; and then that dies,
 * with what it had. */
START_TEST(a_copy_for_those_present_when_the_primary_dies)
{
	grid_up(27);
	link_of(SIDE_PRIMARY, 2)->bound[USER_KEY] = true; /* of an earlier life, which Redis knows nothing of */
	int record = publish(0, USER_KEY);
	link_of(SIDE_FALLBACK, 0)->slow_ms = 400;
	hold_link(SIDE_PRIMARY, 2); /* it asks for what it may have missed */
	RUN_UNTIL(messages[record].result == BUS_CONFIRMED, 500);
	RUN_UNTIL(grid_metric(0, "grid_bus_publishing{bus=\"fallback\"} ") == 1, 2000);
	kill_broker(SIDE_PRIMARY, true);
	RUN_UNTIL(all_on("fallback"), 3000);
	grid_run(2000);
	grid_check();
	ck_assert_int_eq(messages[record].offline, 1);
	grid_close();
}
END_TEST

/* The messages go over the primary then, however long it took: nothing else had taken them over. */
START_TEST(both_die_and_the_primary_comes_back)
{
	grid_up(300 + (uint64_t)_i);
	die_on_the_fallback();
	grid_run(20000);
	start_broker(SIDE_PRIMARY);
	RUN_UNTIL(all_on("primary"), 5000);
	grid_run(2000);
	all_confirmed_came();
	start_broker(SIDE_FALLBACK);
	chat(100);
	grid_run(2000);
	for (int n = 0; n < NODES; n++)
		ck_assert_uint_eq(grid_metric(n, "grid_failover_owed{bus=\"fallback\"} "), 0);
	grid_close();
}
END_TEST

/* Receivers would take for new what is published again then. */
START_TEST(both_away_for_longer_than_anybody_remembers)
{
	grid_up(41);
	chat(100);
	kill_broker(SIDE_PRIMARY, true);
	kill_broker(SIDE_FALLBACK, true);
	RUN_UNTIL(nodes[0].state == BUS_DOWN, 3000);
	grid_run(200000);
	start_broker(SIDE_FALLBACK);
	RUN_UNTIL(nodes[0].state == BUS_UP, 5000);
	start_broker(SIDE_PRIMARY);
	RUN_UNTIL(all_on("primary"), 10000);
	chat(50);
	grid_run(1000);
	grid_check(); /* nothing twice */
	grid_close();
}
END_TEST

/* Both lost every key: nothing is served before one of them has them again. */
START_TEST(both_die_and_lose_all_keys)
{
	grid_up(18);
	kill_broker(SIDE_PRIMARY, true);
	kill_broker(SIDE_FALLBACK, true);
	RUN_UNTIL(nodes[0].state == BUS_DOWN, 3000);
	start_broker(SIDE_FALLBACK);
	RUN_UNTIL(nodes[0].state == BUS_UP, 5000);
	ck_assert(link_of(SIDE_FALLBACK, 0)->bound[0] && link_of(SIDE_FALLBACK, 0)->bound[1]);
	ck_assert_int_eq(nodes[0].members[0].has, YES); /* core had not to be told */
	start_broker(SIDE_PRIMARY);
	RUN_UNTIL(all_on("primary"), 10000);
	chat(50);
	grid_run(1000);
	grid_check();
	grid_close();
}
END_TEST

/* --- the rest ----------------------------------------------------------------------------------------------------- */

/* A node that starts while the primary is away serves its clients after a moment. */
START_TEST(a_start_without_the_primary)
{
	grid_open(19);
	kill_broker(SIDE_PRIMARY, false);
	nodes[0].members[0].wanted = true;
	uint64_t since = grid_now;
	RUN_UNTIL(nodes[0].state == BUS_UP, 5000);
	ck_assert_uint_ge(grid_now - since, (uint64_t)grid_config.confirm_timeout);
	ck_assert(all_on("fallback"));
	RUN_UNTIL(nodes[0].members[0].has == YES, 1000);
	start_broker(SIDE_PRIMARY);
	RUN_UNTIL(strcmp(route(0), "fallback") != 0, 5000);
	ck_assert(link_of(SIDE_PRIMARY, 0)->bound[0]);
	grid_close();
}
END_TEST

START_TEST(a_start_with_both_goes_to_the_primary_at_once)
{
	grid_open(20);
	grid_run(200);
	ck_assert(all_on("primary"));
	ck_assert_uint_eq(grid_metric(0, "grid_failover_changes_total "), 1);
	grid_close();
}
END_TEST

START_TEST(closing_with_everything_under_way)
{
	grid_up(21);
	hold_link(SIDE_PRIMARY, 1);
	for (int i = 0; i < 50; i++) {
		for (int from = 0; from < NODES; from++)
			publish(from, i % KEYS);
		nodes[i % NODES].members[2].wanted = !nodes[i % NODES].members[2].wanted;
		grid_step();
	}
	brokers[SIDE_FALLBACK].frozen = true;
	for (int i = 0; i < 20; i++) {
		publish(0, 0);
		grid_step();
	}
	grid_close();
}
END_TEST

START_TEST(its_route_and_metrics_tell)
{
	grid_up(22);
	ck_assert_str_eq(route(0), "primary");
	ck_assert_uint_eq(grid_metric(0, "grid_failover_route{route=\"primary\"} "), 1);
	kill_broker(SIDE_PRIMARY, false);
	RUN_UNTIL(strcmp(route(0), "fallback") == 0, 3000);
	ck_assert_uint_eq(grid_metric(0, "grid_failover_route{route=\"primary\"} "), 0);
	ck_assert_uint_eq(grid_metric(0, "grid_failover_route{route=\"fallback\"} "), 1);
	ck_assert_uint_eq(grid_metric(0, "grid_bus_up "), 1);
	ck_assert_uint_eq(grid_metric(0, "grid_bus_up{bus=\"primary\"} "), 0);
	kill_broker(SIDE_FALLBACK, false);
	RUN_UNTIL(strcmp(route(0), "down") == 0, 3000);
	ck_assert_uint_eq(grid_metric(0, "grid_failover_route{route=\"down\"} "), 1);
	ck_assert_uint_eq(grid_metric(0, "grid_bus_up "), 0);
	grid_close();
}
END_TEST

int main(void)
{
	const TTest *const once[] = {
	    nothing_goes_over_the_fallback_while_all_is_well,
	    a_user_is_there_or_not,
	    the_window_of_publishes_is_bounded,
	    a_killed_primary,
	    a_frozen_primary,
	    a_join_on_a_frozen_primary,
	    a_primary_that_is_slow_to_bind_is_not_doubted,
	    a_blocked_primary,
	    a_blocked_primary_and_no_fallback,
	    both_away_for_longer_than_anybody_remembers,
	    a_primary_that_comes_and_goes,
	    one_node_cut_off_hears_and_is_heard,
	    a_node_that_is_cut_off_dies,
	    absent_users_while_a_node_is_cut_off,
	    order_to_a_user_while_a_node_is_cut_off,
	    a_copy_for_those_present_when_the_primary_dies,
	    confirmed_once_is_confirmed,
	    a_user_who_leaves_before_it_goes_once_more,
	    absent_users_messages_are_moved,
	    nobody_notices_the_fallback,
	    a_key_that_the_fallback_refuses,
	    a_key_that_the_primary_refuses,
	    a_key_that_the_fallback_refuses_while_it_is_all_there_is,
	    both_die_and_lose_all_keys,
	    a_start_without_the_primary,
	    a_start_with_both_goes_to_the_primary_at_once,
	    closing_with_everything_under_way,
	    its_route_and_metrics_tell,
	};
	const struct {
		const TTest *test;
		int seeds;
	} by_chance[] = {
	    {no_return_before_all_keys_are_bound, 10},
	    {no_return_before_a_forgotten_key_is_bound, 10},
	    {a_blocked_primary_that_loses_the_fallback, 10},
	    {the_fallback_dies_while_it_is_all_there_is, 10},
	    {who_hears_the_fallback_later_asks_at_once, 100},
	    {a_fallback_that_is_slow_to_bind, 10},
	    {what_was_under_way_when_a_peer_asked, 100},
	    {both_die_and_the_primary_comes_back, 10},
	    {moving_is_interrupted, 10},
	};
	Suite *suite = suite_create("bus.failover");
	TCase *tcase = tcase_create("all");
	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < GRID_ARRAY_LEN(once); i++)
		tcase_add_test(tcase, once[i]);
	for (size_t i = 0; i < GRID_ARRAY_LEN(by_chance); i++)
		tcase_add_loop_test(tcase, by_chance[i].test, 0, by_chance[i].seeds);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
