#include "base/metrics.h"

void metrics_add(struct metric_registry *registry, struct metric_set *set, const struct metric_row *rows, size_t n,
                 const void *base)
{
	metrics_add_labelled(registry, set, rows, n, base, NULL);
}

void metrics_add_labelled(struct metric_registry *registry, struct metric_set *set, const struct metric_row *rows,
                          size_t n, const void *base, const char *labels)
{
	struct metric_set **at = &registry->sets;
	while (*at)
		at = &(*at)->next;
	*set = (struct metric_set){.rows = rows, .n = n, .base = base, .labels = labels, .next = NULL};
	*at = set;
}

void metrics_remove(struct metric_registry *registry, struct metric_set *set)
{
	for (struct metric_set **at = &registry->sets; *at; at = &(*at)->next) {
		if (*at == set) {
			*at = set->next;
			return;
		}
	}
}

static void render_value(const struct metric_row *row, const struct metric_set *set, struct buf *out)
{
	const char *set_labels = set->labels ? set->labels : "", *row_labels = row->labels ? row->labels : "";

	buf_puts(out, row->name);
	if (*set_labels || *row_labels)
		buf_printf(out, "{%s%s%s}", set_labels, *set_labels && *row_labels ? "," : "", row_labels);
	buf_putc(out, ' ');
	buf_put_u64(out, counter_get((const struct counter *)(const void *)((const char *)set->base + row->offset)));
	buf_putc(out, '\n');
}

/* Rows from..to have one name. */
static void render_name(const struct metric_set *first, size_t from, size_t to, struct buf *out)
{
	const struct metric_row *row = &first->rows[from];

	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
	           row->type == METRIC_COUNTER ? "counter" : "gauge");
	for (const struct metric_set *set = first; set; set = set->next)
		for (size_t i = from; set->rows == first->rows && i < to; i++)
			render_value(&set->rows[i], set, out);
}

static bool rendered_before(const struct metric_registry *registry, const struct metric_set *set)
{
	const struct metric_set *before = registry->sets;
	while (before != set && before->rows != set->rows)
		before = before->next;
	return before != set;
}

/* All sets over one table come with the first of them, since the values of one name must stand together. */
void metrics_render(const struct metric_registry *registry, struct buf *out)
{
	for (const struct metric_set *set = registry->sets; set; set = set->next) {
		if (rendered_before(registry, set))
			continue;
		for (size_t i = 0, end; i < set->n; i = end) {
			end = i + 1;
			while (end < set->n && strcmp(set->rows[end].name, set->rows[i].name) == 0)
				end++;
			render_name(set, i, end, out);
		}
	}
}
