/* Who has been silent for too long, on a clock of the test's own. */
#include "bus/rabbitmq/peers.h"

#include <stdio.h>

#include "check_main.h"

enum { DEAD_AFTER = 30000, HELLO = 5000, START = 1000000 };

static struct peers *peers;
static uint64_t now;

static void begin(void)
{
	now = START;
	peers = peers_new(DEAD_AFTER, HELLO, 1);
	ck_assert_ptr_nonnull(peers);
	peers_restart(peers, now);
}

static void end(void)
{
	ck_assert_ptr_null(peers_free(peers));
}

static void heard(const char *id)
{
	char queue[64], origin[64];

	snprintf(queue, sizeof(queue), "q.%s", id);
	snprintf(origin, sizeof(origin), "%s.EPOCH", id);
	ck_assert_int_eq(peers_heard(peers, queue, origin, now), 0);
}

/* Our own hellos keep coming meanwhile. */
static void pass(uint64_t ms)
{
	for (; ms > HELLO; ms -= HELLO) {
		now += HELLO;
		peers_pulse(peers, now);
	}
	now += ms;
	peers_pulse(peers, now);
}

static void postpone(void)
{
	struct peer peer = *peers_due(peers, now);
	peers_postpone(peers, &peer, now);
}

static void forget(void)
{
	struct peer peer = *peers_due(peers, now);
	peers_forget(peers, &peer);
}

static const char *due(void)
{
	const struct peer *peer = peers_due(peers, now);
	return peer ? peer->queue : "";
}

START_TEST(one_is_due_after_dead_after_and_its_spread)
{
	begin();
	heard("n1");
	ck_assert_uint_eq(peers_count(peers), 1);
	pass(DEAD_AFTER - 1);
	ck_assert_str_eq(due(), "");
	pass(1 + HELLO);
	ck_assert_str_eq(due(), "q.n1");
	ck_assert_str_eq(peers_due(peers, now)->origin, "n1.EPOCH");
	heard("n1");
	ck_assert_str_eq(due(), "");
	end();
}
END_TEST

static uint64_t waits(uint32_t seed)
{
	struct peers *p = peers_new(DEAD_AFTER, HELLO, seed);
	uint64_t ms = 0;

	ck_assert_ptr_nonnull(p);
	peers_restart(p, START);
	ck_assert_int_eq(peers_heard(p, "q.dead", "dead.E", START), 0);
	for (; !peers_due(p, START + ms); ms++)
		peers_pulse(p, START + ms);
	peers_free(p);
	return ms;
}

START_TEST(nodes_do_not_all_try_at_once)
{
	uint64_t first = waits(1);
	bool differ = false;

	for (uint32_t seed = 1; seed <= 10; seed++) {
		uint64_t ms = waits(seed);
		ck_assert_uint_ge(ms, DEAD_AFTER);
		ck_assert_uint_le(ms, DEAD_AFTER + HELLO);
		differ = differ || ms != first;
	}
	ck_assert(differ);
}
END_TEST

START_TEST(nobody_is_judged_when_our_own_hellos_do_not_come)
{
	begin();
	heard("n1");
	now += 10 * DEAD_AFTER; /* stopped, or nothing got through */
	ck_assert_str_eq(due(), "");
	peers_pulse(peers, now);
	ck_assert_str_eq(due(), "");
	pass(DEAD_AFTER - 1);
	ck_assert_str_eq(due(), "");
	pass(1 + HELLO);
	ck_assert_str_eq(due(), "q.n1");
	now += 2 * HELLO + 1;
	ck_assert_str_eq(due(), "");
	end();
}
END_TEST

START_TEST(a_hello_of_ours_that_is_late_does_not_matter)
{
	begin();
	heard("n1");
	pass(DEAD_AFTER - HELLO);
	now += 2 * HELLO;
	peers_pulse(peers, now);
	ck_assert_str_eq(due(), "q.n1");
	end();
}
END_TEST

START_TEST(a_new_life_starts_all_clocks_anew)
{
	begin();
	heard("n1");
	pass(DEAD_AFTER + HELLO);
	ck_assert_str_eq(due(), "q.n1");
	peers_restart(peers, now);
	ck_assert_str_eq(due(), "");
	pass(DEAD_AFTER + HELLO);
	ck_assert_str_eq(due(), "q.n1");
	end();
}
END_TEST

START_TEST(somebody_elses_is_tried_again_later)
{
	begin();
	heard("n1");
	pass(DEAD_AFTER + HELLO);
	ck_assert_uint_eq(peers_due(peers, now)->tries, 0);
	postpone();
	pass(DEAD_AFTER - 1);
	ck_assert_str_eq(due(), "");
	pass(1 + HELLO);
	ck_assert_str_eq(due(), "q.n1");
	ck_assert_uint_eq(peers_due(peers, now)->tries, 1);
	heard("n1");
	pass(DEAD_AFTER + HELLO);
	ck_assert_uint_eq(peers_due(peers, now)->tries, 0);
	end();
}
END_TEST

START_TEST(many_are_due_one_after_the_other)
{
	begin();
	heard("a");
	pass(1);
	heard("b");
	pass(1);
	heard("c");
	pass(DEAD_AFTER + HELLO);
	ck_assert_str_eq(due(), "q.a");
	forget();
	ck_assert_str_eq(due(), "q.b");
	postpone();
	ck_assert_str_eq(due(), "q.c");
	forget();
	ck_assert_str_eq(due(), "");
	ck_assert_uint_eq(peers_count(peers), 1);
	end();
}
END_TEST

/* Another epoch, another queue: the same node. What it has left behind is its own matter. */
START_TEST(a_node_is_its_id)
{
	begin();
	heard("n1");
	ck_assert_int_eq(peers_heard(peers, "q.n1.LATER", "n1.LATER", now), 0);
	ck_assert_uint_eq(peers_count(peers), 1);
	pass(DEAD_AFTER - 1);
	ck_assert_int_eq(peers_heard(peers, "", "n1.LATEST", now), 0); /* it lives, and has no queue yet */
	pass(DEAD_AFTER - 1);
	ck_assert_str_eq(due(), "");
	pass(1 + HELLO);
	ck_assert_str_eq(due(), "q.n1.LATER");
	ck_assert_str_eq(peers_due(peers, now)->origin, "n1.LATER");
	ck_assert(peer_same_node("n1.A", "n1.B"));
	ck_assert(peer_same_node("n1.A", "n1"));
	ck_assert(!peer_same_node("n1.A", "n12.A"));
	ck_assert(!peer_same_node("", ""));
	ck_assert_int_eq(peers_heard(peers, "", "n2.E", now), 0);
	ck_assert_uint_eq(peers_count(peers), 1);
	end();
}
END_TEST

START_TEST(the_table_is_bounded)
{
	const struct peer one = {.queue = "q.1", .origin = "1.EPOCH"};
	char id[32];

	begin();
	for (int i = 0; i < PEERS_MAX; i++) {
		snprintf(id, sizeof(id), "%d", i);
		heard(id);
	}
	ck_assert_int_eq(peers_heard(peers, "q.more", "more.E", now), PEERS_E_FULL);
	heard("0");
	peers_forget(peers, &one);
	peers_forget(peers, &one);
	heard("more");
	ck_assert_uint_eq(peers_count(peers), PEERS_MAX);
	end();
}
END_TEST

START_TEST(with_0_nobody_is_ever_due_but_leftovers)
{
	now = START;
	peers = peers_new(0, HELLO, 1);
	ck_assert_ptr_nonnull(peers);
	heard("n1");
	pass(100 * DEAD_AFTER);
	ck_assert_str_eq(due(), "");
	ck_assert_int_eq(peers_add_leftover(peers, "q.ours"), 0);
	ck_assert_str_eq(due(), "q.ours");
	ck_assert_str_eq(peers_due(peers, now)->origin, "");
	postpone();
	ck_assert_str_eq(due(), "");
	peers_restart(peers, now);
	now += HELLO;
	ck_assert_str_eq(due(), "q.ours");
	postpone();
	ck_assert_int_eq(peers_add_leftover(peers, "q.ours"), PEERS_E_KNOWN);
	ck_assert_str_eq(due(), "q.ours"); /* at once, all the same */
	end();
}
END_TEST

CHECK_MAIN("bus.peers", one_is_due_after_dead_after_and_its_spread, nodes_do_not_all_try_at_once,
           nobody_is_judged_when_our_own_hellos_do_not_come, a_hello_of_ours_that_is_late_does_not_matter,
           a_new_life_starts_all_clocks_anew, somebody_elses_is_tried_again_later, many_are_due_one_after_the_other,
           a_node_is_its_id, the_table_is_bounded, with_0_nobody_is_ever_due_but_leftovers)
