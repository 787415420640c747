/* The failover driver when one node alone loses the primary, and what becomes of absent users' messages. */
#include "fake_story.h"

#include <utlist.h>

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

int main(void)
{
	const struct story stories[] = {
	    {one_node_cut_off_hears_and_is_heard, 1},  {a_node_that_is_cut_off_dies, 1},
	    {absent_users_while_a_node_is_cut_off, 1}, {order_to_a_user_while_a_node_is_cut_off, 1},
	    {absent_users_messages_are_moved, 1},      {moving_is_interrupted, 10},
	};
	return run_stories("bus.failover_cut", stories, GRID_ARRAY_LEN(stories));
}
