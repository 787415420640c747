/* The failover driver from inside. failover.c: open, close, turns, and who hears which upcall. routing.c: which way
 * messages go, and what follows when that changes. binds.c: keys. outgoing.c: publications. incoming.c: deliveries.
 *
 * All of it is on the loop thread. Upcalls of the two buses below change what is known; what follows from it is done at
 * the end of each turn, when both have had their say. */
#ifndef GRID_BUS_FAILOVER_FAILOVER_STATE_H
#define GRID_BUS_FAILOVER_FAILOVER_STATE_H

#include "base/log.h"
#include "bus/bus.h"
#include "bus/failover/bindings.h"
#include "bus/failover/counters.h"
#include "bus/failover/decide.h"
#include "bus/failover/holdback.h"
#include "bus/failover/mover.h"
#include "bus/failover/notices.h"
#include "bus/failover/recent.h"
#include "bus/failover/sides.h"
#include "bus/failover/window.h"

#define OPS_MAX 256 /* binds and unbinds of core under way at once */
#define BATCH_MAX 64

/* One of the two buses below. */
struct below {
	struct failover *failover;
	enum side side;
	struct bus *bus;
	enum bus_state state;
	unsigned life;
	uint64_t up_ms;    /* when it came up last */
	uint64_t bound_ms; /* when it answered a bind or unbind last */
	bool lost;         /* nothing was bound when it came up last */
};

/* A bind or unbind that core has not been told of yet. */
struct op {
	struct op *prev, *next;
	struct binding *binding;
};

struct failover {
	struct bus *bus; /* the one above */
	const struct bus_config *config;
	struct below below[SIDES];
	uint64_t now_ms;
	char origin[ORIGIN_MAX + 1];
	struct siphash_key secret;
	void (*wake)(void *arg);
	void *wake_arg;

	/* routing.c */
	enum primary primary;
	enum route route;
	enum bus_state told; /* what core knows */
	bool fallback_up;    /* as the route sees it */
	bool began;
	bool was_up;          /* core has been told so, once */
	bool doubt;           /* of the primary: to be looked at */
	uint64_t patience_ms; /* until then the fallback does not count: the primary may just be slow to start */
	uint64_t some_up_ms;  /* since when one side is up; 0: none is */
	uint64_t back_ms;     /* the primary is back since */
	uint64_t good_ms;     /* and good since */
	uint64_t calm_ms;     /* how long it must have been back */
	uint64_t deaf_ms;     /* since then the fallback has not brought all; 0: it has */
	struct notices notices;
	struct notice_demand demand; /* of peers, to be met at the end of the turn */

	struct mover mover;

	/* binds.c */
	struct bindings bindings;
	struct op *ops; /* oldest first */
	size_t n_ops;

	/* outgoing.c */
	struct window window;
	struct recent *numbers; /* the last one of each stream that goes out */
	uint64_t dirty_lanes;   /* in which somebody may be answered: a bit for each */

	/* incoming.c */
	struct recent *seen;
	struct holdback *holdback;
	struct bus_delivery *batch[BATCH_MAX];
	size_t batch_n;

	struct log_limit log_limit;
	struct metric_registry *metrics;
	struct metric_set metric_set;
	struct failover_counters counters;
};

/* routing.c */

/* Before the first turn. */
void routing_begin(struct failover *f);
void routing_on_state(struct failover *f, enum side side, enum bus_state state, enum bus_bindings bindings);
void routing_on_announced(struct failover *f, struct str body);
/* Something went wrong on the primary that should not: it is looked at in the next turn. */
void routing_doubt(struct failover *f);
/* What follows from what has come: at the end of each turn. */
void routing_advance(struct failover *f);
/* Can an outcome be expected from this side of what was published there? */
bool routing_publishes(const struct failover *f, enum side side);
/* Is core's bind to wait for this side? */
bool routing_binds(const struct failover *f, enum side side);

/* binds.c */

GRID_MUST_CHECK int binds_ask(struct failover *f, const struct key *key, bool want);
/* Gives both sides as much as they take. */
void binds_pump(struct failover *f);
/* Tells core what can be told. */
void binds_answer(struct failover *f);
void binds_free(struct failover *f);

/* outgoing.c */

GRID_MUST_CHECK int outgoing_publish(struct failover *f, struct bus_publication *publication);
void outgoing_on_published(struct failover *f, enum side side, struct bus_publication *copy,
                           enum bus_publish_result result);
void outgoing_pump(struct failover *f);
/* Tells core what can be told. */
void outgoing_answer(struct failover *f);
/* Publishes again over `side` what was not published there since `since_ms`; and if `deaf_since_ms` is not 0, since
 * then also what was. */
void outgoing_replay(struct failover *f, enum side side, uint64_t since_ms, uint64_t deaf_since_ms);

/* incoming.c */

void incoming_on_message(struct failover *f, enum side side, struct bus_delivery *const *batch, size_t n);
/* Lets go what was held back long enough. */
void incoming_tick(struct failover *f);

#endif
