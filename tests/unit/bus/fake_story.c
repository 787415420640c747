#include "fake_story.h"

void chat(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (int from = 0; from < NODES; from++)
			MUST(publish(from, (int)(i % 2)) >= 0, "it is not taken");
		grid_step();
	}
}

void hold_link(enum side side, int node)
{
	cut(link_of(side, node), 50);
	link_of(side, node)->held_down = true;
}

size_t offline_copies(void)
{
	size_t n = 0;
	for (size_t i = 0; i < n_messages; i++)
		n += (size_t)messages[i].offline;
	return n;
}

void user_is_at(int node)
{
	for (int i = 0; i < NODES; i++)
		nodes[i].members[USER_KEY].wanted = i == node;
	RUN_UNTIL(node < 0 || nodes[node].members[USER_KEY].has == YES, 5000);
	for (int i = 0; i < NODES; i++)
		RUN_UNTIL(i == node || nodes[i].members[USER_KEY].has == NO, 5000);
}

void everybody_got_everything_in_order(void)
{
	grid_check();
	ck_assert_uint_eq(disorder, 0);
	for (size_t i = 0; i < n_messages; i++)
		MUST(messages[i].result != BUS_FAILED, "message %zu", i);
}

int run_stories(const char *suite_name, const struct story *stories, size_t n)
{
	Suite *suite = suite_create(suite_name);
	TCase *tcase = tcase_create("all");

	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < n; i++)
		tcase_add_loop_test(tcase, stories[i].test, 0, stories[i].seeds);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
