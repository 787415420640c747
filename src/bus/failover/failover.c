#include "bus/failover/failover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "bus/failover/failover_state.h"

#define HOLD_MS 500
#define HELD_MAX 4096
#define HELD_BYTES_MAX (16 << 20)
#define STREAMS_MAX 65536

/* --- what the two below tell -------------------------------------------------------------------------------------- */

static void on_message(void *ctx, struct bus_delivery *const *batch, size_t n)
{
	const struct below *below = ctx;
	incoming_on_message(below->failover, below->side, batch, n);
}

static void on_bound(void *ctx, const struct key *key, enum bus_bind_result result)
{
	struct below *below = ctx;
	below->bound_ms = below->failover->now_ms;
	bindings_outcome(&below->failover->bindings, below->side, key, result);
}

/* Before core has heard that the bus is up, it can be told of such a key. Later it may still want it by chance. */
static void on_restored(void *ctx, const struct key *key)
{
	const struct below *below = ctx;
	struct failover *f = below->failover;
	bool promised = !f->was_up;

	if (bindings_restored(&f->bindings, below->side, key, promised, f->now_ms) != 0)
		log_limited(&f->log_limit, f->now_ms, LOG_LEVEL_WARN, "bus.not_restored",
		            "key=%s why=\"out of memory\" hint=\"it stays bound until the node starts again\"", key->text);
	else if (promised)
		bus_up_restored(f->bus, key);
}

static void on_published(void *ctx, struct bus_publication *publication, enum bus_publish_result result)
{
	const struct below *below = ctx;
	struct failover *f = below->failover;

	if (publication->reach != BUS_TO_ABSENT) {
		outgoing_on_published(f, below->side, publication, result);
		return;
	}
	size_t index = (uintptr_t)publication->token;
	bus_publication_free(publication);
	mover_on_published(&f->mover, f->below[SIDE_FALLBACK].bus, index, result == BUS_UNROUTED, f->now_ms);
}

static void on_stored(void *ctx, const struct bus_stored *stored, size_t n)
{
	const struct below *below = ctx;
	struct failover *f = below->failover;
	mover_on_stored(&f->mover, f->below[SIDE_PRIMARY].bus, below->bus, stored, n, f->now_ms);
}

static void on_state(void *ctx, enum bus_state state, enum bus_bindings bindings)
{
	const struct below *below = ctx;
	routing_on_state(below->failover, below->side, state, bindings);
}

static void on_announced(void *ctx, struct str body)
{
	const struct below *below = ctx;
	routing_on_announced(below->failover, body);
}

/* A node can live without its fallback. */
static void on_fatal(void *ctx, const char *what)
{
	const struct below *below = ctx;

	if (below->side == SIDE_PRIMARY)
		bus_up_fatal(below->failover->bus, what);
	else
		log_error("bus.fallback_fatal", "why=%s", LOG_QUOTED(str_from(what)));
}

static const struct bus_upcalls upcalls = {
    .message = on_message,
    .bound = on_bound,
    .restored = on_restored,
    .published = on_published,
    .state = on_state,
    .announced = on_announced,
    .stored = on_stored,
    .fatal = on_fatal,
};

/* --- what is asked from above ------------------------------------------------------------------------------------- */

static int failover_bind(void *impl, const struct key *key)
{
	return binds_ask(impl, key, true);
}

static int failover_unbind(void *impl, const struct key *key)
{
	return binds_ask(impl, key, false);
}

static int failover_publish(void *impl, struct bus_publication *publication)
{
	return outgoing_publish(impl, publication);
}

static void failover_settle(void *impl, struct bus_delivery *delivery, enum bus_settle_how how)
{
	struct failover *f = impl;
	bus_settle(f->below[way_side(delivery->way)].bus, delivery, how);
}

static bool failover_turn(void *impl, uint64_t now_ms)
{
	struct failover *f = impl;

	f->now_ms = now_ms;
	if (!f->began)
		routing_begin(f);
	bool more = bus_turn(f->below[SIDE_PRIMARY].bus, now_ms);
	more |= bus_turn(f->below[SIDE_FALLBACK].bus, now_ms);
	routing_advance(f);
	return more;
}

static const char *failover_route(const void *impl)
{
	const struct failover *f = impl;
	return route_names[f->route];
}

/* --- open, close -------------------------------------------------------------------------------------------------- */

/* First the two below: they free what they have of ours. */
static void failover_close(void *impl)
{
	struct failover *f = impl;

	for (int side = 0; side < SIDES; side++)
		f->below[side].bus = bus_close(f->below[side].bus);
	binds_free(f);
	window_deinit(&f->window);
	notices_deinit(&f->notices);
	holdback_free(f->holdback);
	recent_free(f->seen);
	recent_free(f->numbers);
	metrics_remove(f->metrics, &f->metric_set);
	free(f);
}

static int make_memories(struct failover *f)
{
	const struct bus_config *config = f->config;
	const struct holdback_limits held = {.held = HELD_MAX,
	                                     .bytes = HELD_BYTES_MAX,
	                                     .hold_ms = HOLD_MS,
	                                     .streams = STREAMS_MAX,
	                                     .keep_ms = (uint64_t)config->seen_window};
	const struct window_limits kept = {.keep_ms = (uint64_t)config->replay_window,
	                                   .bytes = (size_t)config->replay_bytes};

	window_init(&f->window, &kept);
	f->numbers = recent_new(STREAMS_MAX, (uint64_t)config->seen_window);
	f->seen = recent_new((size_t)config->seen_messages, (uint64_t)config->seen_window);
	f->holdback = holdback_new(&held);
	return f->numbers && f->seen && f->holdback ? 0 : -ENOMEM;
}

static int open_below(struct failover *f, enum side side, const struct bus_driver *driver, const struct bus_env *env)
{
	static const char *const labels[SIDES] = {[SIDE_PRIMARY] = "bus=\"primary\"", [SIDE_FALLBACK] = "bus=\"fallback\""};
	struct below *below = &f->below[side];
	struct bus_env below_env = *env;

	*below = (struct below){.failover = f, .side = side, .state = BUS_DOWN};
	below_env.upcalls = &upcalls;
	below_env.ctx = below;
	below_env.identity_key = &f->secret;
	return bus_open_driver(driver, labels[side], f->config, &below_env, &below->bus);
}

int failover_open(struct bus *bus, const struct bus_driver *const drivers[SIDES], const struct bus_config *config,
                  const struct bus_env *env, void **implp)
{
	struct failover *f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->bus = bus;
	f->config = config;
	f->wake = env->wake;
	f->wake_arg = env->wake_arg;
	f->metrics = env->metrics;
	f->told = BUS_DOWN;
	snprintf(f->origin, sizeof(f->origin), "%s.%s", env->node_id, env->epoch);
	failover_counters_add(env->metrics, &f->metric_set, &f->counters);
	counter_set(&f->counters.route[ROUTE_DOWN], 1);
	int rc = getrandom(&f->secret, sizeof(f->secret), 0) == sizeof(f->secret) ? make_memories(f) : -EIO;
	for (int side = 0; side < SIDES && rc == 0; side++)
		rc = open_below(f, (enum side)side, drivers[side], env);
	if (rc != 0) {
		failover_close(f);
		return rc;
	}
	*implp = f;
	return 0;
}

static int open_rabbitmq_and_redis(struct bus *bus, const struct bus_config *config, const struct bus_env *env,
                                   void **implp)
{
	const struct bus_driver *const drivers[SIDES] = {
	    [SIDE_PRIMARY] = &bus_rabbitmq_driver, [SIDE_FALLBACK] = &bus_redis_driver};
	return failover_open(bus, drivers, config, env, implp);
}

const struct bus_driver bus_failover_driver = {
    .name = "failover",
    .open = open_rabbitmq_and_redis,
    .close = failover_close,
    .bind = failover_bind,
    .unbind = failover_unbind,
    .publish = failover_publish,
    .settle = failover_settle,
    .turn = failover_turn,
    .route = failover_route,
};
