/* What every unit test program has in common: one TCase, one main().
 *
 *   START_TEST(does_this) { ... } END_TEST
 *   CHECK_MAIN("base.buf", does_this, does_that)
 *   CHECK_MAIN_WITH("bus.window", setup, teardown, does_this, does_that)     before and after each test
 */
#ifndef GRID_TESTS_CHECK_MAIN_H
#define GRID_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

#define CHECK_MAIN(name, ...) CHECK_MAIN_WITH(name, NULL, NULL, __VA_ARGS__)

#define CHECK_MAIN_WITH(name, setup_, teardown_, ...)                                                                  \
	int main(void)                                                                                                     \
	{                                                                                                                  \
		const TTest *const tests[] = {__VA_ARGS__};                                                                    \
		Suite *suite = suite_create(name);                                                                             \
		TCase *tcase = tcase_create("all");                                                                            \
		tcase_set_timeout(tcase, 30); /* Check's own 4 s are too few under sanitizers on a busy machine */             \
		tcase_add_checked_fixture(tcase, setup_, teardown_);                                                           \
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)                                                  \
			tcase_add_test(tcase, tests[i]);                                                                           \
		suite_add_tcase(suite, tcase);                                                                                 \
		SRunner *runner = srunner_create(suite);                                                                       \
		srunner_run_all(runner, CK_NORMAL);                                                                            \
		int failed = srunner_ntests_failed(runner);                                                                    \
		srunner_free(runner);                                                                                          \
		return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                                                   \
	}

#endif
