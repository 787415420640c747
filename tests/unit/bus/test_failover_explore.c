/* The failover driver in a grid where everything goes wrong by chance. */
#include "fake_grid.h"

#include <stdlib.h>

#define SEEDS 60 /* GRID_TEST_SEEDS=1000 looks further */
#define FAULTS 5

static void publish_by_chance(void)
{
	for (int i = 0; i < NODES; i++)
		if (chance(8) == 0)
			publish(i, (int)chance(KEYS));
	if (chance(300) == 0) {
		struct member *m = &nodes[chance(NODES)].members[2 + chance(2)];
		m->wanted = !m->wanted;
	}
}

static void run_busy(uint64_t ms)
{
	for (uint64_t until = grid_now + ms; grid_now < until;) {
		publish_by_chance();
		grid_step();
	}
}

static void heal(void)
{
	for (int side = 0; side < SIDES; side++) {
		if (brokers[side].dead)
			start_broker((enum side)side);
		thaw((enum side)side);
		for (int i = 0; i < NODES; i++)
			link_of((enum side)side, i)->held_down = false;
	}
}

static void one_fault(enum side side)
{
	int node = (int)chance(NODES);

	switch (chance(6)) {
	case 0:
		kill_broker(side, chance(2));
		break;
	case 1:
		brokers[side].frozen = true;
		break;
	case 2:
		brokers[side].blocked = side == SIDE_PRIMARY;
		break;
	case 3:
		cut(link_of(side, node), chance(500));
		link_of(side, node)->held_down = true;
		break;
	case 4:
		cut(link_of(side, node), chance(500));
		break;
	default:
		for (int i = 0; i < NODES; i++)
			cut(link_of(side, i), chance(500));
	}
}

static void finish(void)
{
	heal();
	run_busy(20000);
	grid_run(5000);
	RUN_UNTIL(all_on("primary"), 120000);
	RUN_UNTIL(!brokers[SIDE_FALLBACK].store, 120000);
	for (int i = 0; i < NODES; i++)
		for (int key = 0; key < KEYS; key++)
			RUN_UNTIL(!nodes[i].members[key].asked &&
			              nodes[i].members[key].wanted == (nodes[i].members[key].has == YES),
			          10000);
	for (int i = 0; i < NODES; i++) {
		ck_assert_int_eq(nodes[i].state, BUS_UP);
		ck_assert_uint_eq(grid_metric(i, "grid_bus_publishing "), 0);
		ck_assert_uint_eq(grid_metric(i, "grid_bus_unsettled "), 0);
	}
}

/* One bus at a time is at fault, as badly as it can be, and is well again for a while before anything is with the
 * other: nothing is lost, nothing comes twice, everything in order. */
START_TEST(one_bus_at_a_time)
{
	grid_up((uint64_t)_i + 1);
	for (int i = 0; i < FAULTS; i++) {
		one_fault(chance(4) ? SIDE_PRIMARY : SIDE_FALLBACK);
		run_busy(200 + chance(30000));
		heal();
		run_busy(15000);
		RUN_UNTIL(all_on("primary"), 120000);
	}
	finish();
	grid_check();
	ck_assert_msg(disorder == 0, "%zu messages came behind later ones", disorder);
	grid_close();
}
END_TEST

/* Anything at any time. Then messages can be lost; but none comes twice, each has one answer, and when all is well
 * again, all is well. */
START_TEST(anything_at_any_time)
{
	grid_up((uint64_t)_i + 1000);
	for (int i = 0; i < 3 * FAULTS; i++) {
		one_fault(chance(2) ? SIDE_PRIMARY : SIDE_FALLBACK);
		run_busy(chance(5000));
		if (chance(3) == 0)
			heal();
	}
	finish();
	size_t first = n_messages;
	uint64_t since = grid_now;
	run_busy(3000);
	grid_run(5000);
	for (size_t i = first; i < n_messages; i++) {
		MUST(messages[i].result != BUS_FAILED, "message %zu failed", i);
		for (int n = 0; n < NODES && messages[i].key < 2; n++)
			MUST(messages[i].got[n] == 1, "message %zu after %ju at n%d", i, (uintmax_t)since, n);
	}
	for (size_t i = 0; i < n_messages; i++)
		MUST(messages[i].result >= 0, "message %zu was never answered", i);
	grid_close();
}
END_TEST

int main(void)
{
	const char *more = getenv("GRID_TEST_SEEDS");
	int seeds = more ? atoi(more) : SEEDS;
	Suite *suite = suite_create("bus.failover_explore");
	TCase *tcase = tcase_create("all");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, one_bus_at_a_time, 0, seeds);
	tcase_add_loop_test(tcase, anything_at_any_time, 0, seeds);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
