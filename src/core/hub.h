/* The node's centre: sessions on one side, the bus on the other, the topic registry between them.
 *
 *   transport ──▶ session ──▶ verbs ──▶ hub ──▶ bus
 *   transport ◀── session ◀── topics ◀── hub ◀── bus
 *
 * All of it belongs to the loop thread. */
#ifndef GRID_CORE_HUB_H
#define GRID_CORE_HUB_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"
#include "bus/bus.h"
#include "core/config.h"
#include "core/transport.h"

struct hub;

struct hub_env {
	const struct core_config *config;
	const struct transport *transport;
	void *transport_ctx; /* for transport.flush_soon */
	const char *node_id;
	const char *epoch;
	struct metric_registry *metrics;
};

/* What `env` points to outlives the hub. -ENOMEM. */
GRID_MUST_CHECK int hub_new(const struct hub_env *env, struct now now, struct hub **hubp);
/* Takes and returns NULL. The bus must have been closed before, and no session be left. */
struct hub *hub_free(struct hub *hub);

/* The bus is opened with hub_upcalls and the hub as ctx, then told here; NULL before it is closed. */
extern const struct bus_upcalls hub_upcalls;
void hub_set_bus(struct hub *hub, struct bus *bus);
/* Called when the bus says it can never work like this. */
void hub_on_fatal(struct hub *hub, void (*fn)(void *arg, const char *what), void *arg);

/* Before each bus_turn(): the time for everything that follows. */
void hub_set_now(struct hub *hub, struct now now);
/* Every 100 ms: that, lingers, time-outs, paced unbinds. */
void hub_tick(struct hub *hub, struct now now);

/* Sends what waits, once per session touched since the last call. */
void hub_flush(struct hub *hub);

/* Ready to take clients: the bus is up and not draining. If not, *whyp is a static sentence. */
bool hub_ready(const struct hub *hub, const char **whyp);

/* Which way messages go now, in a word, where there is more than one way; or NULL. */
const char *hub_route(const struct hub *hub);

/* Every session gets `bye` and close 1012; new ones too. One with publishes under way is not read from any more and
 * gets the answers first, for half of drain.timeout at most. */
void hub_drain(struct hub *hub, struct now now);

size_t hub_session_count(const struct hub *hub);

/* Do so many users wait for their key that one who comes now would only wait, too? Their keys are bound before rooms;
 * and nobody waits while the bus is down. */
bool hub_crowded(const struct hub *hub);

#endif
