/* The inside of the hub, for core alone. */
#ifndef GRID_CORE_HUB_IMPL_H
#define GRID_CORE_HUB_IMPL_H

#include "base/log.h"
#include "core/holding.h"
#include "core/hub.h"
#include "core/publishes.h"
#include "core/session_impl.h"
#include "core/topics.h"
#include "core/verbs.h"

struct hub_counters {
	struct counter sessions;
	struct counter sessions_opened;
	struct counter unauthorized;
	struct counter frames_out;
	struct counter deliveries;
	struct counter deliveries_too_large;
	struct counter strays_user;
	struct counter strays_room;
	struct counter too_slow;
	struct counter abuse;
	struct counter queued_bytes;
	struct counter requests[VERB_COUNT];
	struct counter errors[ERROR_COUNT];
};

#define HUB_METRIC_ROWS_MAX (16 + VERB_COUNT + ERROR_COUNT)

struct hub {
	const struct core_config *config;
	const struct transport *transport;
	void *transport_ctx;
	struct bus *bus;
	struct now now; /* of this turn, tick or request: for what comes from the bus */
	struct topics topics;
	struct publishes publishes;
	struct holding holding;
	struct session *sessions;
	struct session *touched; /* to be flushed */
	struct session *closing; /* still hold subscriptions, given back on the next flush */
	struct ulid_source ids;
	char origin[NODE_ID_MAX + 1 + ULID_LEN + 1]; /* "<node>.<epoch>" */
	const char *node_id;
	uint64_t tick_ms; /* of the last hub_tick() */
	bool was_up;
	bool draining;
	uint64_t bye_by_ms;   /* draining: when all have been told */
	uint32_t byes;        /* and how many have */
	uint64_t unbinds_due; /* how many may still go, in thousandths */
	uint64_t held_due_ms;
	void (*on_fatal)(void *arg, const char *what);
	void *on_fatal_arg;
	struct log_limit log_limit;
	char describe[ULID_LEN + 256]; /* session_describe()'s */
	struct metric_registry *metrics;
	struct metric_set metric_set;
	struct metric_row metric_rows[HUB_METRIC_ROWS_MAX];
	struct hub_counters counters;
};

/* Gives the bus as many binds and unbinds as it takes. */
void hub_pump(struct hub *hub);
/* There will be something to do in hub_flush(). */
void hub_flush_soon(struct hub *hub);
/* The session has something to send. */
void hub_touch(struct hub *hub, struct session *s);
/* Forgets a touch: the session goes. */
void hub_untouch(struct hub *hub, struct session *s);
/* The session is CLOSING: what it holds is given back on the next flush, never inside somebody's loop over it. */
void hub_bury(struct hub *hub, struct session *s);
void hub_exhume(struct hub *hub, struct session *s);

#endif
