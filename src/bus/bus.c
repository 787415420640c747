#include "bus/bus.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

struct bus_counters {
	struct counter up;
	struct counter blocked;
	struct counter state_changes;
	struct counter messages;
	struct counter binds;
	struct counter unbinds;
	struct counter bind_ok;
	struct counter bind_refused;
	struct counter bind_lost;
	struct counter restored;
	struct counter publishes;
	struct counter confirmed;
	struct counter unrouted;
	struct counter failed;
	struct counter busy;
	struct counter unavailable;
	struct counter publish_ms;
	struct counter publishing;
	struct counter settled[3];
	struct counter unsettled;
};

static const struct metric_row rows[] = {
    METRIC_GAUGE_ROW(struct bus_counters, up, "grid_bus_up", NULL, "1 while the bus takes binds and deliveries"),
    METRIC_GAUGE_ROW(struct bus_counters, blocked, "grid_bus_blocked", NULL, "1 while the bus refuses to publish"),
    METRIC_COUNTER_ROW(struct bus_counters, state_changes, "grid_bus_state_changes_total", NULL,
                       "Times the bus went up, down or blocked"),
    METRIC_COUNTER_ROW(struct bus_counters, messages, "grid_bus_messages_total", NULL, "Deliveries from the bus"),
    METRIC_COUNTER_ROW(struct bus_counters, binds, "grid_bus_binds_total", NULL, "Keys asked to be bound"),
    METRIC_COUNTER_ROW(struct bus_counters, unbinds, "grid_bus_unbinds_total", NULL, "Keys asked to be unbound"),
    METRIC_COUNTER_ROW(struct bus_counters, bind_ok, "grid_bus_bind_results_total", "result=\"ok\"",
                       "Outcomes of binds and unbinds"),
    METRIC_COUNTER_ROW(struct bus_counters, bind_refused, "grid_bus_bind_results_total", "result=\"refused\"",
                       "Outcomes of binds and unbinds"),
    METRIC_COUNTER_ROW(struct bus_counters, bind_lost, "grid_bus_bind_results_total", "result=\"lost\"",
                       "Outcomes of binds and unbinds"),
    METRIC_COUNTER_ROW(struct bus_counters, restored, "grid_bus_restored_total", NULL,
                       "Keys found bound from an earlier life of the node"),
    METRIC_COUNTER_ROW(struct bus_counters, publishes, "grid_bus_publishes_total", NULL, "Messages given to the bus"),
    METRIC_COUNTER_ROW(struct bus_counters, confirmed, "grid_bus_publish_results_total", "result=\"confirmed\"",
                       "Outcomes of publishes"),
    METRIC_COUNTER_ROW(struct bus_counters, unrouted, "grid_bus_publish_results_total", "result=\"unrouted\"",
                       "Outcomes of publishes"),
    METRIC_COUNTER_ROW(struct bus_counters, failed, "grid_bus_publish_results_total", "result=\"failed\"",
                       "Outcomes of publishes"),
    METRIC_COUNTER_ROW(struct bus_counters, busy, "grid_bus_publish_busy_total", NULL,
                       "Publishes put off because the window was full"),
    METRIC_COUNTER_ROW(struct bus_counters, unavailable, "grid_bus_publish_unavailable_total", NULL,
                       "Publishes refused because the bus was down or blocked"),
    METRIC_COUNTER_ROW(struct bus_counters, publish_ms, "grid_bus_publish_milliseconds_total", NULL,
                       "Time from publish to outcome, summed over grid_bus_publish_results_total"),
    METRIC_GAUGE_ROW(struct bus_counters, publishing, "grid_bus_publishing", NULL, "Publishes under way"),
    METRIC_COUNTER_ROW(struct bus_counters, settled[BUS_ACCEPTED], "grid_bus_settled_total", "how=\"accepted\"",
                       "Deliveries the node is done with"),
    METRIC_COUNTER_ROW(struct bus_counters, settled[BUS_STRAY], "grid_bus_settled_total", "how=\"stray\"",
                       "Deliveries the node is done with"),
    METRIC_COUNTER_ROW(struct bus_counters, settled[BUS_REJECTED], "grid_bus_settled_total", "how=\"rejected\"",
                       "Deliveries the node is done with"),
    METRIC_GAUGE_ROW(struct bus_counters, unsettled, "grid_bus_unsettled", NULL, "Deliveries lent to the node"),
};

struct bus {
	const struct bus_driver *driver;
	void *impl;
	const struct bus_upcalls *upcalls;
	void *ctx;
	enum bus_state state;
	bool in_turn; /* upcalls come from inside turn() only */
	uint64_t now_ms;
	struct metric_registry *metrics;
	struct metric_set metric_set;
	struct bus_counters counters;
};

static const struct bus_driver *const drivers[] = {
    [BUS_DRIVER_LOCAL] = &bus_local_driver,
    [BUS_DRIVER_RABBITMQ] = &bus_rabbitmq_driver,
    [BUS_DRIVER_REDIS] = &bus_redis_driver,
};

int bus_open(const struct bus_config *config, const struct bus_env *env, struct bus **busp)
{
	const struct bus_driver *driver =
	    config->fallback == BUS_FALLBACK_NONE ? drivers[config->driver] : &bus_failover_driver;
	return bus_open_driver(driver, NULL, config, env, busp);
}

int bus_open_driver(const struct bus_driver *driver, const char *labels, const struct bus_config *config,
                    const struct bus_env *env, struct bus **busp)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	if (!bus)
		return -ENOMEM;
	bus->driver = driver;
	bus->upcalls = env->upcalls;
	bus->ctx = env->ctx;
	bus->state = BUS_DOWN;
	bus->metrics = env->metrics;
	metrics_add_labelled(env->metrics, &bus->metric_set, rows, GRID_ARRAY_LEN(rows), &bus->counters, labels);
	int rc = bus->driver->open(bus, config, env, &bus->impl);
	if (rc != 0) {
		metrics_remove(env->metrics, &bus->metric_set);
		free(bus);
		return rc;
	}
	*busp = bus;
	return 0;
}

struct bus *bus_close(struct bus *bus)
{
	if (bus) {
		bus->driver->close(bus->impl);
		metrics_remove(bus->metrics, &bus->metric_set);
		free(bus);
	}
	return NULL;
}

const char *bus_driver_name(const struct bus *bus)
{
	return bus->driver->name;
}

enum bus_state bus_state(const struct bus *bus)
{
	return bus->state;
}

const char *bus_route(const struct bus *bus)
{
	return bus->driver->route ? bus->driver->route(bus->impl) : NULL;
}

int bus_bind(struct bus *bus, const struct key *key)
{
	if (bus->state == BUS_DOWN)
		return BUS_E_UNAVAILABLE;
	int rc = bus->driver->bind(bus->impl, key);
	if (rc == 0)
		counter_add(&bus->counters.binds, 1);
	return rc;
}

int bus_unbind(struct bus *bus, const struct key *key)
{
	if (bus->state == BUS_DOWN)
		return BUS_E_UNAVAILABLE;
	int rc = bus->driver->unbind(bus->impl, key);
	if (rc == 0)
		counter_add(&bus->counters.unbinds, 1);
	return rc;
}

int bus_publish(struct bus *bus, struct bus_publication *publication)
{
	publication->accepted_ms = bus->now_ms;
	int rc = bus->state == BUS_UP ? bus->driver->publish(bus->impl, publication) : BUS_E_UNAVAILABLE;
	if (rc == 0) {
		counter_add(&bus->counters.publishes, 1);
		counter_add(&bus->counters.publishing, 1);
	} else if (rc == BUS_E_BUSY) {
		counter_add(&bus->counters.busy, 1);
	} else if (rc == BUS_E_UNAVAILABLE) {
		counter_add(&bus->counters.unavailable, 1);
	}
	return rc;
}

void bus_settle(struct bus *bus, struct bus_delivery *delivery, enum bus_settle_how how)
{
	counter_add(&bus->counters.settled[how], 1);
	counter_sub(&bus->counters.unsettled, 1);
	bus->driver->settle(bus->impl, delivery, how);
}

int bus_announce(struct bus *bus, struct str body)
{
	if (!bus->driver->announce || bus->state == BUS_DOWN)
		return BUS_E_UNAVAILABLE;
	return bus->driver->announce(bus->impl, body);
}

int bus_stored_fetch(struct bus *bus)
{
	if (!bus->driver->stored_fetch || bus->state == BUS_DOWN)
		return BUS_E_UNAVAILABLE;
	return bus->driver->stored_fetch(bus->impl);
}

int bus_stored_moved(struct bus *bus, size_t n)
{
	if (!bus->driver->stored_moved || bus->state == BUS_DOWN)
		return BUS_E_UNAVAILABLE;
	return bus->driver->stored_moved(bus->impl, n);
}

bool bus_turn(struct bus *bus, uint64_t now_ms)
{
	GRID_ASSERT(!bus->in_turn);
	bus->now_ms = now_ms;
	bus->in_turn = true;
	bool more = bus->driver->turn(bus->impl, now_ms);
	bus->in_turn = false;
	return more;
}

void bus_up_message(struct bus *bus, struct bus_delivery *const *batch, size_t n)
{
	GRID_ASSERT(bus->in_turn);
	counter_add(&bus->counters.messages, n);
	counter_add(&bus->counters.unsettled, n);
	bus->upcalls->message(bus->ctx, batch, n);
}

void bus_up_bound(struct bus *bus, const struct key *key, enum bus_bind_result result)
{
	struct counter *const by_result[] = {
	    [BUS_BIND_OK] = &bus->counters.bind_ok,
	    [BUS_BIND_REFUSED] = &bus->counters.bind_refused,
	    [BUS_BIND_LOST] = &bus->counters.bind_lost,
	};
	GRID_ASSERT(bus->in_turn);
	counter_add(by_result[result], 1);
	bus->upcalls->bound(bus->ctx, key, result);
}

void bus_up_restored(struct bus *bus, const struct key *key)
{
	GRID_ASSERT(bus->in_turn && bus->state == BUS_DOWN);
	counter_add(&bus->counters.restored, 1);
	bus->upcalls->restored(bus->ctx, key);
}

void bus_up_published(struct bus *bus, struct bus_publication *publication, enum bus_publish_result result)
{
	struct counter *const by_result[] = {
	    [BUS_CONFIRMED] = &bus->counters.confirmed,
	    [BUS_UNROUTED] = &bus->counters.unrouted,
	    [BUS_FAILED] = &bus->counters.failed,
	};
	GRID_ASSERT(bus->in_turn);
	counter_add(by_result[result], 1);
	counter_sub(&bus->counters.publishing, 1);
	counter_add(&bus->counters.publish_ms, bus->now_ms - publication->accepted_ms);
	bus->upcalls->published(bus->ctx, publication, result);
}

void bus_up_state(struct bus *bus, enum bus_state state, enum bus_bindings bindings)
{
	static const char *const rebinds[] = {
	    [BUS_BINDINGS_KEPT] = "", [BUS_BINDINGS_LOST] = " rebind=all", [BUS_BINDINGS_UNSURE] = " rebind=unsure"};
	static const char *const names[] = {[BUS_DOWN] = "down", [BUS_UP] = "up", [BUS_BLOCKED] = "blocked"};

	GRID_ASSERT(bus->in_turn);
	if (bus->state == state)
		return;
	log_event(state == BUS_UP ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "bus.state", "driver=%s from=%s to=%s%s",
	          bus->driver->name, names[bus->state], names[state], state != BUS_DOWN ? rebinds[bindings] : "");
	bus->state = state;
	counter_add(&bus->counters.state_changes, 1);
	counter_set(&bus->counters.up, state != BUS_DOWN);
	counter_set(&bus->counters.blocked, state == BUS_BLOCKED);
	bus->upcalls->state(bus->ctx, state, bindings);
}

void bus_up_announced(struct bus *bus, struct str body)
{
	GRID_ASSERT(bus->in_turn);
	if (bus->upcalls->announced)
		bus->upcalls->announced(bus->ctx, body);
}

void bus_up_stored(struct bus *bus, const struct bus_stored *stored, size_t n)
{
	GRID_ASSERT(bus->in_turn);
	if (bus->upcalls->stored)
		bus->upcalls->stored(bus->ctx, stored, n);
}

void bus_up_fatal(struct bus *bus, const char *what)
{
	GRID_ASSERT(bus->in_turn);
	bus->upcalls->fatal(bus->ctx, what);
}
