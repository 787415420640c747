/* The Prometheus text rendered from tables of counters. */
#include "base/metrics.h"

#include "check_main.h"

#include "base/err.h"

struct fruit {
	struct counter apples, pears, baskets;
};

static const struct metric_row fruit_rows[] = {
    METRIC_COUNTER_ROW(struct fruit, apples, "grid_fruit_total", "kind=\"apple\"", "Fruit picked."),
    METRIC_COUNTER_ROW(struct fruit, pears, "grid_fruit_total", "kind=\"pear\"", "Fruit picked."),
    METRIC_GAUGE_ROW(struct fruit, baskets, "grid_baskets", NULL, "Baskets in use."),
};

static void assert_renders(const struct metric_registry *registry, const char *expected)
{
	struct buf out = BUF_INIT;

	metrics_render(registry, &out);
	buf_putc(&out, '\0');
	ck_assert_str_eq(out.p, expected);
	buf_deinit(&out);
}

START_TEST(counts)
{
	struct counter c = {0};

	counter_add(&c, 5);
	counter_sub(&c, 2);
	ck_assert_uint_eq(counter_get(&c), 3);
	counter_set(&c, 100);
	ck_assert_uint_eq(counter_get(&c), 100);
}
END_TEST

START_TEST(renders_help_and_type_once_per_name)
{
	struct fruit fruit = {0};
	struct metric_registry registry = {0};
	struct metric_set set;

	metrics_add(&registry, &set, fruit_rows, GRID_ARRAY_LEN(fruit_rows), &fruit);
	counter_add(&fruit.pears, 3);
	counter_set(&fruit.baskets, UINT64_MAX);
	assert_renders(&registry, "# HELP grid_fruit_total Fruit picked.\n"
	                          "# TYPE grid_fruit_total counter\n"
	                          "grid_fruit_total{kind=\"apple\"} 0\n"
	                          "grid_fruit_total{kind=\"pear\"} 3\n"
	                          "# HELP grid_baskets Baskets in use.\n"
	                          "# TYPE grid_baskets gauge\n"
	                          "grid_baskets 18446744073709551615\n");
}
END_TEST

START_TEST(adds_and_removes_sets_in_order)
{
	static const struct metric_row a_rows[] = {METRIC_GAUGE_ROW(struct fruit, apples, "a", NULL, "A")};
	static const struct metric_row b_rows[] = {METRIC_GAUGE_ROW(struct fruit, apples, "b", NULL, "B")};
	static const struct metric_row c_rows[] = {METRIC_GAUGE_ROW(struct fruit, apples, "c", NULL, "C")};
	struct fruit fruit = {0};
	struct metric_registry registry = {0};
	struct metric_set a, b, c;

	assert_renders(&registry, "");
	metrics_add(&registry, &a, a_rows, 1, &fruit);
	metrics_add(&registry, &b, b_rows, 1, &fruit);
	metrics_add(&registry, &c, c_rows, 1, &fruit);
	metrics_remove(&registry, &b);
	assert_renders(&registry, "# HELP a A\n# TYPE a gauge\na 0\n# HELP c C\n# TYPE c gauge\nc 0\n");
	metrics_remove(&registry, &b); /* not there any more: nothing happens */
	metrics_remove(&registry, &a);
	metrics_add(&registry, &b, b_rows, 1, &fruit);
	assert_renders(&registry, "# HELP c C\n# TYPE c gauge\nc 0\n# HELP b B\n# TYPE b gauge\nb 0\n");
}
END_TEST

START_TEST(sets_over_one_table_stand_together)
{
	static const struct metric_row other_rows[] = {METRIC_GAUGE_ROW(struct fruit, apples, "other", NULL, "Other")};
	struct fruit all = {0}, mine = {0}, yours = {0};
	struct metric_registry registry = {0};
	struct metric_set sets[3], other;

	counter_set(&mine.pears, 1);
	counter_set(&yours.baskets, 2);
	metrics_add(&registry, &sets[0], fruit_rows, GRID_ARRAY_LEN(fruit_rows), &all);
	metrics_add(&registry, &other, other_rows, 1, &all);
	metrics_add_labelled(&registry, &sets[1], fruit_rows, GRID_ARRAY_LEN(fruit_rows), &mine, "of=\"me\"");
	metrics_add_labelled(&registry, &sets[2], fruit_rows, GRID_ARRAY_LEN(fruit_rows), &yours, "of=\"you\"");
	assert_renders(&registry, "# HELP grid_fruit_total Fruit picked.\n"
	                          "# TYPE grid_fruit_total counter\n"
	                          "grid_fruit_total{kind=\"apple\"} 0\n"
	                          "grid_fruit_total{kind=\"pear\"} 0\n"
	                          "grid_fruit_total{of=\"me\",kind=\"apple\"} 0\n"
	                          "grid_fruit_total{of=\"me\",kind=\"pear\"} 1\n"
	                          "grid_fruit_total{of=\"you\",kind=\"apple\"} 0\n"
	                          "grid_fruit_total{of=\"you\",kind=\"pear\"} 0\n"
	                          "# HELP grid_baskets Baskets in use.\n"
	                          "# TYPE grid_baskets gauge\n"
	                          "grid_baskets 0\n"
	                          "grid_baskets{of=\"me\"} 0\n"
	                          "grid_baskets{of=\"you\"} 2\n"
	                          "# HELP other Other\n# TYPE other gauge\nother 0\n");
}
END_TEST

CHECK_MAIN("base.metrics", counts, renders_help_and_type_once_per_name, adds_and_removes_sets_in_order,
           sets_over_one_table_stand_together)
