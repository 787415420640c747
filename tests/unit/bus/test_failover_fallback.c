/* The failover driver when the fallback fails, alone or with the primary. */
#include "fake_story.h"

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

int main(void)
{
	const struct story stories[] = {
	    {nobody_notices_the_fallback, 1},
	    {a_key_that_the_fallback_refuses, 1},
	    {a_key_that_the_primary_refuses, 1},
	    {a_key_that_the_fallback_refuses_while_it_is_all_there_is, 1},
	    {the_fallback_dies_while_it_is_all_there_is, 10},
	    {who_hears_the_fallback_later_asks_at_once, 100},
	    {what_was_under_way_when_a_peer_asked, 100},
	    {a_fallback_that_is_slow_to_bind, 10},
	    {confirmed_once_is_confirmed, 1},
	    {a_user_who_leaves_before_it_goes_once_more, 1},
	    {a_copy_for_those_present_when_the_primary_dies, 1},
	    {both_die_and_the_primary_comes_back, 10},
	    {both_away_for_longer_than_anybody_remembers, 1},
	    {both_die_and_lose_all_keys, 1},
	};
	return run_stories("bus.failover_fallback", stories, GRID_ARRAY_LEN(stories));
}
