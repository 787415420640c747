/* The command lines of verbs. */
#include "bench/verb.h"

#include "check_main.h"

struct config {
	int64_t count;
	int64_t time; /* ms */
	char *text;
	bool flag;
};

static struct config seen;
static int runs;

static enum bench_exit run(const void *config)
{
	seen = *(const struct config *)config;
	seen.text = strdup(seen.text);
	runs++;
	return BENCH_EXIT_FOUND;
}

static const struct option rows[] = {
    OPTION_INT(struct config, count, "7", 1, 10, "a number"),
    OPTION_DURATION(struct config, time, "1s", 1, 100000, "a time"),
    OPTION_STRING(struct config, text, "", "a text"),
    OPTION_BOOL(struct config, flag, "false", "a flag"),
    OPTIONS_END,
};

static const struct verb verb = {"test", "a test", "Text.\n", rows, sizeof(struct config), run};

static enum bench_exit main_with(const char *const *words)
{
	char *argv[8] = {NULL};

	for (size_t i = 0; words[i]; i++)
		argv[i] = (char *)(uintptr_t)words[i]; /* as main() has them; nobody changes them */
	return verb_main(&verb, argv);
}

static void setup(void)
{
	runs = 0;
}

static void teardown(void)
{
	free(seen.text);
	seen = (struct config){0};
}

START_TEST(runs_with_defaults)
{
	const char *const words[] = {"test", NULL};

	ck_assert_int_eq(main_with(words), BENCH_EXIT_FOUND);
	ck_assert_int_eq(runs, 1);
	ck_assert_int_eq(seen.count, 7);
	ck_assert_int_eq(seen.time, 1000);
	ck_assert_str_eq(seen.text, "");
	ck_assert(!seen.flag);
}
END_TEST

START_TEST(reads_options)
{
	const char *const words[] = {"test", "--count", "3", "--time=5", "--flag", "--text=a=b", NULL};

	ck_assert_int_eq(main_with(words), BENCH_EXIT_FOUND);
	ck_assert_int_eq(seen.count, 3);
	ck_assert_int_eq(seen.time, 5000);
	ck_assert_str_eq(seen.text, "a=b");
	ck_assert(seen.flag);
}
END_TEST

START_TEST(takes_units)
{
	const char *const words[] = {"test", "--time", "50ms", "--flag=no", NULL};

	ck_assert_int_eq(main_with(words), BENCH_EXIT_FOUND);
	ck_assert_int_eq(seen.time, 50);
	ck_assert(!seen.flag);
}
END_TEST

START_TEST(refuses_the_rest)
{
	const char *const lines[][4] = {{"test", "--count", "11"}, {"test", "--count"},  {"test", "--cuont", "3"},
	                                {"test", "count"},         {"test", "--flag=2"}, {"test", "-h"}};

	for (size_t i = 0; i < GRID_ARRAY_LEN(lines); i++)
		ck_assert_int_eq(main_with(lines[i]), BENCH_EXIT_USAGE);
	ck_assert_int_eq(runs, 0);
}
END_TEST

START_TEST(prints_its_help)
{
	const char *const words[] = {"test", "--count", "3", "--help", NULL};

	ck_assert_int_eq(main_with(words), BENCH_EXIT_OK);
	ck_assert_int_eq(runs, 0);
}
END_TEST

START_TEST(knows_its_verbs)
{
	ck_assert_ptr_nonnull(verb_find("limit"));
	ck_assert_ptr_nonnull(verb_find("pipe"));
	ck_assert_ptr_nonnull(verb_find("bind"));
	ck_assert_ptr_null(verb_find("--json"));
}
END_TEST

CHECK_MAIN_WITH("bench.verb", setup, teardown, runs_with_defaults, reads_options, takes_units, refuses_the_rest,
                prints_its_help, knows_its_verbs)
