#include "core/hub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "core/drain.h"
#include "core/fanout.h"
#include "core/hub_impl.h"

#define HELD_RETRY_MS 5000
#define CROWDED_KEYS 256     /* users wait for the bus, beside those it has in hand */
#define UNBIND_BURST_MS 1000 /* unused unbinds are saved up for so long */

/* --- the table of counters ---------------------------------------------------------------------------------------- */

static const struct metric_row fixed_rows[] = {
    METRIC_GAUGE_ROW(struct hub_counters, sessions, "grid_sessions", NULL, "Websockets open"),
    METRIC_COUNTER_ROW(struct hub_counters, sessions_opened, "grid_sessions_opened_total", NULL, "Websockets accepted"),
    METRIC_COUNTER_ROW(struct hub_counters, unauthorized, "grid_sessions_unauthorized_total", NULL,
                       "Websockets closed for want of credentials (4001)"),
    METRIC_COUNTER_ROW(struct hub_counters, frames_out, "grid_frames_sent_total", NULL, "Frames given to sockets"),
    METRIC_COUNTER_ROW(struct hub_counters, deliveries, "grid_fanout_total", NULL,
                       "Messages from the bus times the sessions each went to"),
    METRIC_COUNTER_ROW(struct hub_counters, deliveries_too_large, "grid_too_large_total", NULL,
                       "Deliveries larger than limits.queue, which no client can be sent"),
    METRIC_COUNTER_ROW(struct hub_counters, strays_user, "grid_strays_total", "kind=\"user\"",
                       "Deliveries nobody here took: a user's was handed to the offline queue, a room's dropped"),
    METRIC_COUNTER_ROW(struct hub_counters, strays_room, "grid_strays_total", "kind=\"room\"",
                       "Deliveries nobody here took: a user's was handed to the offline queue, a room's dropped"),
    METRIC_COUNTER_ROW(struct hub_counters, too_slow, "grid_sessions_too_slow_total", NULL,
                       "Sessions closed because more waited for them than limits.queue (4004)"),
    METRIC_COUNTER_ROW(struct hub_counters, abuse, "grid_sessions_abuse_total", NULL,
                       "Sessions closed for too many bad requests (4005)"),
    METRIC_GAUGE_ROW(struct hub_counters, queued_bytes, "grid_queued_bytes", NULL, "Bytes waiting for all sessions"),
};

static_assert(GRID_ARRAY_LEN(fixed_rows) + VERB_COUNT + ERROR_COUNT <= HUB_METRIC_ROWS_MAX, "room for every row");

/* Verbs and errors are tables themselves: each row of theirs is a row here. */
static size_t fill_rows(struct metric_row *rows)
{
	size_t n = GRID_ARRAY_LEN(fixed_rows);

	memcpy(rows, fixed_rows, sizeof(fixed_rows));
	for (size_t i = 0; i < VERB_COUNT; i++)
		rows[n++] = (struct metric_row)METRIC_COUNTER_ROW(struct hub_counters, requests[i], "grid_requests_total",
		                                                  verbs[i].label, "Requests of clients");
	for (size_t i = 0; i < ERROR_COUNT; i++)
		rows[n++] = (struct metric_row)METRIC_COUNTER_ROW(struct hub_counters, errors[i], "grid_errors_total",
		                                                  error_rows[i].label, "Errors clients were told");
	return n;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

int hub_new(const struct hub_env *env, struct now now, struct hub **hubp)
{
	struct hub *hub = calloc(1, sizeof(*hub));
	if (!hub)
		return -ENOMEM;
	hub->config = env->config;
	hub->transport = env->transport;
	hub->transport_ctx = env->transport_ctx;
	hub->node_id = env->node_id;
	hub->now = now;
	hub->tick_ms = now.mono_ms;
	hub->metrics = env->metrics;
	snprintf(hub->origin, sizeof(hub->origin), "%s.%s", env->node_id, env->epoch);
	metrics_add(env->metrics, &hub->metric_set, hub->metric_rows, fill_rows(hub->metric_rows), &hub->counters);
	const uint64_t linger_ms[LINGER_COUNT] = {
	    [LINGER_USER] = (uint64_t)env->config->linger.user,
	    [LINGER_ROOM] = (uint64_t)env->config->linger.room,
	    [LINGER_RESTORED] = (uint64_t)env->config->linger.restored,
	};
	const struct holding_limits limits = {
	    .hold_ms = (uint64_t)env->config->stray.hold,
	    .hold_until_ms = now.mono_ms + (uint64_t)env->config->stray.hold_at_start,
	    .max = (size_t)env->config->stray.max,
	};
	topics_init(&hub->topics, linger_ms, env->metrics);
	holding_init(&hub->holding, &limits, env->metrics);
	publishes_init(&hub->publishes, (uint64_t)env->config->timeout.publish, env->metrics);
	*hubp = hub;
	return 0;
}

struct hub *hub_free(struct hub *hub)
{
	if (hub) {
		GRID_ASSERT(!hub->sessions && !hub->bus);
		publishes_deinit(&hub->publishes);
		topics_deinit(&hub->topics);
		holding_deinit(&hub->holding);
		metrics_remove(hub->metrics, &hub->metric_set);
		free(hub);
	}
	return NULL;
}

void hub_set_bus(struct hub *hub, struct bus *bus)
{
	if (!bus && hub->bus)
		fanout_end(hub);
	hub->bus = bus;
}

void hub_on_fatal(struct hub *hub, void (*fn)(void *arg, const char *what), void *arg)
{
	hub->on_fatal = fn;
	hub->on_fatal_arg = arg;
}

size_t hub_session_count(const struct hub *hub)
{
	return counter_get(&hub->counters.sessions);
}

bool hub_crowded(const struct hub *hub)
{
	return hub->topics.queued[QUEUE_BIND_USER] >= CROWDED_KEYS && !hub->draining && bus_state(hub->bus) != BUS_DOWN;
}

bool hub_ready(const struct hub *hub, const char **whyp)
{
	if (hub->draining)
		*whyp = "draining";
	else if (!hub->bus || bus_state(hub->bus) == BUS_DOWN)
		*whyp = "the bus is down";
	else
		*whyp = NULL;
	return !*whyp;
}

const char *hub_route(const struct hub *hub)
{
	return hub->bus ? bus_route(hub->bus) : NULL;
}

/* --- topics and the bus ------------------------------------------------------------------------------------------- */

void hub_pump(struct hub *hub)
{
	struct topic *topic;
	enum topic_op op;

	if (!hub->bus)
		return;
	while ((topic = topics_next_move(&hub->topics, hub->unbinds_due >= 1000, &op))) {
		int rc = op == TOPIC_OP_BIND ? bus_bind(hub->bus, &topic->key) : bus_unbind(hub->bus, &topic->key);
		if (rc != 0)
			return; /* full: more after an answer; down: all of it when it is up again */
		topics_moved(&hub->topics, topic, op);
		if (op == TOPIC_OP_UNBIND)
			hub->unbinds_due -= hub->unbinds_due < 1000 ? hub->unbinds_due : 1000;
	}
}

static bool is_own(const struct subscription *sub)
{
	return sub->session->own == sub;
}

static void admit_waiting(struct topic *topic)
{
	for (struct subscription *sub; (sub = topic->waiting);) {
		subscription_admit(sub);
		if (is_own(sub))
			session_welcome(sub->session, true);
		else
			verbs_join_done(sub);
	}
}

/* Tells all who wait for a topic that it did not come to be. Own keys: the session is told as far as it goes. */
static void fail_waiting(struct hub *hub, struct topic *topic, enum error_code code, const char *message)
{
	struct subscription *sub, *next;

	DL_FOREACH_SAFE(topic->waiting, sub, next) {
		struct session *s = sub->session;
		if (is_own(sub)) {
			if (code == ERROR_UNAVAILABLE) {
				session_welcome(s, false);
			} else {
				session_fail(s, STR_NONE, code, message);
				session_close(s, CLOSE_TRY_LATER, "user key refused");
			}
			continue;
		}
		verbs_join_failed(sub, code, message);
		topics_unsubscribe(&hub->topics, sub, &s->subs, hub->now.mono_ms);
		s->rooms--;
	}
}

static void on_bound(void *ctx, const struct key *key, enum bus_bind_result result)
{
	static const enum topic_answer answers[] = {
	    [BUS_BIND_OK] = TOPIC_ANSWER_OK,
	    [BUS_BIND_REFUSED] = TOPIC_ANSWER_REFUSED,
	    [BUS_BIND_LOST] = TOPIC_ANSWER_LOST,
	};
	struct hub *hub = ctx;
	struct topic *topic = topics_find(&hub->topics, key);

	GRID_ASSERT(topic); /* a topic stays until its move was answered */
	switch (topics_answered(&hub->topics, topic, answers[result])) {
	case TOPIC_NOTHING_NEW:
		break;
	case TOPIC_BOUND:
		admit_waiting(topic);
		break;
	case TOPIC_REFUSED:
		log_limited(&hub->log_limit, hub->now.mono_ms, LOG_LEVEL_ERROR, "topic.refused",
		            "key=%s the bus refuses to bind it: check the node account's permissions", key->text);
		fail_waiting(hub, topic, ERROR_INTERNAL, "the broker refused to bind this name");
		break;
	}
	hub_pump(hub);
}

static void on_restored(void *ctx, const struct key *key)
{
	struct hub *hub = ctx;

	if (topics_restore(&hub->topics, key, hub->now.mono_ms) == 0)
		admit_waiting(topics_find(&hub->topics, key));
	else
		log_limited(&hub->log_limit, hub->now.mono_ms, LOG_LEVEL_WARN, "topic.not_restored",
		            "key=%s why=\"out of memory\" hint=\"it stays bound until the node starts again\"", key->text);
}

static void fail_all_waiting(struct hub *hub)
{
	struct topic *topic, *next;

	HASH_ITER(hh, hub->topics.by_key, topic, next)
		fail_waiting(hub, topic, ERROR_UNAVAILABLE, NULL);
}

/* Only now can clients come back, so what they find is held for them from here on. */
static void first_up(struct hub *hub)
{
	if (!hub->was_up)
		holding_hold_until(&hub->holding, hub->now.mono_ms + (uint64_t)hub->config->stray.hold_at_start);
	hub->was_up = true;
}

static void on_state(void *ctx, enum bus_state state, enum bus_bindings bindings)
{
	struct hub *hub = ctx;

	if (state == BUS_DOWN) {
		publishes_fail_parked(&hub->publishes);
		fail_all_waiting(hub);
		return;
	}
	if (state == BUS_BLOCKED)
		publishes_blocked(&hub->publishes);
	first_up(hub);
	if (bindings == BUS_BINDINGS_LOST)
		topics_bindings_lost(&hub->topics);
	else if (bindings == BUS_BINDINGS_UNSURE)
		topics_bindings_unsure(&hub->topics);
	hub_pump(hub);
}

static void on_published(void *ctx, struct bus_publication *publication, enum bus_publish_result result)
{
	struct hub *hub = ctx;

	publishes_done(&hub->publishes, publication, result);
	publishes_unpark(&hub->publishes, hub->bus);
}

static void on_fatal(void *ctx, const char *what)
{
	struct hub *hub = ctx;

	if (hub->on_fatal)
		hub->on_fatal(hub->on_fatal_arg, what);
}

const struct bus_upcalls hub_upcalls = {
    .message = fanout_on_message,
    .bound = on_bound,
    .restored = on_restored,
    .published = on_published,
    .state = on_state,
    .fatal = on_fatal,
};

/* --- turns -------------------------------------------------------------------------------------------------------- */

void hub_flush_soon(struct hub *hub)
{
	hub->transport->flush_soon(hub->transport_ctx);
}

void hub_touch(struct hub *hub, struct session *s)
{
	if (s->touched)
		return;
	if (!hub->touched)
		hub_flush_soon(hub);
	s->touched = true;
	DL_APPEND2(hub->touched, s, touched_prev, touched_next);
}

void hub_untouch(struct hub *hub, struct session *s)
{
	if (!s->touched)
		return;
	s->touched = false;
	DL_DELETE2(hub->touched, s, touched_prev, touched_next);
}

void hub_bury(struct hub *hub, struct session *s)
{
	if (!hub->closing)
		hub_flush_soon(hub);
	s->buried = true;
	DL_PREPEND2(hub->closing, s, closing_prev, closing_next);
}

void hub_exhume(struct hub *hub, struct session *s)
{
	if (!s->buried)
		return;
	s->buried = false;
	DL_DELETE2(hub->closing, s, closing_prev, closing_next);
}

/* The one after this will be sent to in 2 us, the next one in 4: what that needs is fetched meanwhile. */
static void fetch_ahead(const struct session *s)
{
	const struct session *next = s->touched_next;

	if (!next)
		return;
	__builtin_prefetch(next->conn, 1);
	__builtin_prefetch(next->touched_next, 1);
}

void hub_flush(struct hub *hub)
{
	for (struct session *s; (s = hub->closing);) {
		hub_exhume(hub, s);
		session_let_go(s);
	}
	for (struct session *s; (s = hub->touched);) {
		fetch_ahead(s);
		hub_untouch(hub, s);
		hub->transport->flush(s->conn);
	}
	fanout_flushed(hub);
}

static void earn_unbinds(struct hub *hub, uint64_t passed_ms)
{
	uint64_t rate = (uint64_t)hub->config->linger.unbind_rate;

	hub->unbinds_due += passed_ms * rate;
	if (hub->unbinds_due > rate * UNBIND_BURST_MS)
		hub->unbinds_due = rate * UNBIND_BURST_MS;
}

void hub_set_now(struct hub *hub, struct now now)
{
	hub->now = now;
}

void hub_tick(struct hub *hub, struct now now)
{
	hub_set_now(hub, now);
	earn_unbinds(hub, now.mono_ms - hub->tick_ms);
	hub->tick_ms = now.mono_ms;
	topics_tick(&hub->topics, now.mono_ms);
	publishes_tick(&hub->publishes, now.mono_ms);
	fanout_tick(hub);
	drain_step(hub);
	if (now.mono_ms >= hub->held_due_ms) {
		hub->held_due_ms = now.mono_ms + HELD_RETRY_MS;
		topics_retry_held(&hub->topics);
	}
	hub_pump(hub);
}
