#include "base/metrics.h"

void metrics_add(struct metric_registry *registry, struct metric_set *set, const struct metric_row *rows, size_t n,
                 const void *base)
{
	struct metric_set **at = &registry->sets;
	while (*at)
		at = &(*at)->next;
	*set = (struct metric_set){.rows = rows, .n = n, .base = base, .next = NULL};
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

static void render_row(const struct metric_row *row, const struct metric_row *before, const void *base, struct buf *out)
{
	if (!before || strcmp(before->name, row->name) != 0) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
		           row->type == METRIC_COUNTER ? "counter" : "gauge");
	}
	buf_puts(out, row->name);
	if (row->labels)
		buf_printf(out, "{%s}", row->labels);
	buf_putc(out, ' ');
	buf_put_u64(out, counter_get((const struct counter *)(const void *)((const char *)base + row->offset)));
	buf_putc(out, '\n');
}

void metrics_render(const struct metric_registry *registry, struct buf *out)
{
	for (const struct metric_set *set = registry->sets; set; set = set->next)
		for (size_t i = 0; i < set->n; i++)
			render_row(&set->rows[i], i ? &set->rows[i - 1] : NULL, set->base, out);
}
