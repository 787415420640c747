/* The failover driver, one story at a time: while all is well, and when the primary fails. What must hold in all of
 * them is checked as it happens (fake_grid.h). */
#include "fake_story.h"

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
	const struct story stories[] = {
	    {nothing_goes_over_the_fallback_while_all_is_well, 1},
	    {a_user_is_there_or_not, 1},
	    {the_window_of_publishes_is_bounded, 1},
	    {a_killed_primary, 1},
	    {a_frozen_primary, 1},
	    {a_join_on_a_frozen_primary, 1},
	    {a_primary_that_is_slow_to_bind_is_not_doubted, 1},
	    {a_blocked_primary, 1},
	    {a_blocked_primary_and_no_fallback, 1},
	    {a_blocked_primary_that_loses_the_fallback, 10},
	    {no_return_before_all_keys_are_bound, 10},
	    {no_return_before_a_forgotten_key_is_bound, 10},
	    {a_primary_that_comes_and_goes, 1},
	    {a_start_without_the_primary, 1},
	    {a_start_with_both_goes_to_the_primary_at_once, 1},
	    {closing_with_everything_under_way, 1},
	    {its_route_and_metrics_tell, 1},
	};
	return run_stories("bus.failover", stories, GRID_ARRAY_LEN(stories));
}
