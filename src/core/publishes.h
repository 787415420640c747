/* Publishes of clients on their way: answered when the bus reports them, when they take too long, or when the bus is
 * gone.
 *
 * When the bus' window is full a publish is parked and its session not read from, so that what waits is bounded by what
 * a client can have had in one read; parked ones go first when there is room. */
#ifndef GRID_CORE_PUBLISHES_H
#define GRID_CORE_PUBLISHES_H

#include "base/metrics.h"
#include "bus/bus.h"

struct session;
struct publish;

struct publishes_counters {
	struct counter timed_out;
	struct counter parked;
};

struct publishes {
	struct publish *by_age;         /* all, oldest first: the time-out is the same for all */
	struct bus_publication *parked; /* oldest first */
	struct bus_publication *parked_tail;
	uint64_t timeout_ms;
	struct metric_registry *metrics;
	struct metric_set metric_set;
	struct publishes_counters counters;
};

void publishes_init(struct publishes *p, uint64_t timeout_ms, struct metric_registry *metrics);
void publishes_deinit(struct publishes *p);

/* Publishes for a session, which is answered with `ref` (if any) sooner or later. -ENOMEM. */
GRID_MUST_CHECK int publishes_start(struct publishes *p, struct bus *bus, struct session *s, struct str ref,
                                    const struct key *key, const struct message *m, uint64_t now_ms);
/* The bus reported one. */
void publishes_done(struct publishes *p, struct bus_publication *publication, enum bus_publish_result result);
/* There may be room again. */
void publishes_unpark(struct publishes *p, struct bus *bus);
/* Nothing goes at the moment: answers all that is parked `unavailable`. */
void publishes_fail_parked(struct publishes *p);
/* The bus takes nothing for a while: answers all that is parked or under way `unavailable`. */
void publishes_blocked(struct publishes *p);
/* Answers what is too old. */
void publishes_tick(struct publishes *p, uint64_t now_ms);
/* The session goes; nobody waits for its answers any more. */
void publishes_forget_session(struct session *s);

#endif
