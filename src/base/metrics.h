/* Counters and gauges, declared in a table beside the code that counts, rendered as Prometheus text.
 *
 *   struct hub_counters { struct counter messages_in; ... };              in the module's own struct
 *   static const struct metric_row rows[] = {
 *       METRIC_COUNTER_ROW(struct hub_counters, messages_in, "grid_messages_in_total", NULL, "Messages ..."),
 *   };
 *   metrics_add(registry, &hub->metrics, rows, GRID_ARRAY_LEN(rows), &hub->counters);
 *
 * A counter has one writing thread at a time; any thread may read it. */
#ifndef GRID_BASE_METRICS_H
#define GRID_BASE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct counter {
	_Atomic uint64_t value;
};

static inline uint64_t counter_get(const struct counter *c)
{
	return atomic_load_explicit(&c->value, memory_order_relaxed);
}

/* One writer, so no locked instruction is needed. */
static inline void counter_set(struct counter *c, uint64_t v)
{
	atomic_store_explicit(&c->value, v, memory_order_relaxed);
}

static inline void counter_add(struct counter *c, uint64_t n)
{
	counter_set(c, counter_get(c) + n);
}

static inline void counter_sub(struct counter *c, uint64_t n)
{
	counter_set(c, counter_get(c) - n);
}

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

struct metric_row {
	const char *name;   /* grid_..., counters end in _total */
	const char *labels; /* `driver="local"`, or NULL */
	const char *help;
	enum metric_type type;
	size_t offset; /* of a struct counter in the module's struct */
};

#define METRIC_COUNTER_ROW(type_, field, name_, labels_, help_)                                                        \
	{                                                                                                                  \
		.name = (name_), .labels = (labels_), .help = (help_), .type = METRIC_COUNTER,                                 \
		.offset = offsetof(type_, field)                                                                               \
	}
#define METRIC_GAUGE_ROW(type_, field, name_, labels_, help_)                                                          \
	{                                                                                                                  \
		.name = (name_), .labels = (labels_), .help = (help_), .type = METRIC_GAUGE, .offset = offsetof(type_, field)  \
	}

/* One module's rows over one of its structs; storage is the module's and outlives its place in the registry. */
struct metric_set {
	const struct metric_row *rows;
	size_t n;
	const void *base;
	const char *labels; /* of all its rows, before their own; NULL: none */
	struct metric_set *next;
};

struct metric_registry {
	struct metric_set *sets; /* in order of registration */
};

void metrics_add(struct metric_registry *registry, struct metric_set *set, const struct metric_row *rows, size_t n,
                 const void *base);
/* For a table that counts several things of a kind: `labels` (`bus="primary"`) tell them apart. Outlive the set. */
void metrics_add_labelled(struct metric_registry *registry, struct metric_set *set, const struct metric_row *rows,
                          size_t n, const void *base, const char *labels);
void metrics_remove(struct metric_registry *registry, struct metric_set *set);
/* Prometheus text format 0.0.4. Rows of one name must stand together in one table. */
void metrics_render(const struct metric_registry *registry, struct buf *out);

#endif
