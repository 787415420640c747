/* The Redis driver: what core calls, and when the bus is up.
 *
 *   subscriber ──▶ PIPELINE_UP ──┐
 *   publisher  ──▶ PIPELINE_UP ──┴──▶ check: NONE ──▶ SENT ──one receiver: our own subscriber──▶ PASSED ──▶ BUS_UP
 *
 * A lost subscriber takes all bindings with it. A lost publisher does not: deliveries go on meanwhile. In both cases
 * nothing new is taken from that moment, and when everything under way has its outcome, core hears BUS_DOWN. What is
 * left on the other link is answered in no time, or its watchdog ends it too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bus/redis/driver_state.h"
#include "bus/redis/secret.h"

#define TURN_MAX 256
#define TURN_MAX_US 2000
#define TURN_PART 32  /* things taken from a link between two looks at the time */
#define FINISH_MS 500 /* how long the end waits until strays are in the stream */

/* --- when the bus is up ------------------------------------------------------------------------------------------- */

static void set_state(struct redis *r, enum bus_state state)
{
	bool lost = r->bindings_lost;

	inbox_flush(r);
	r->state = state;
	if (state != BUS_DOWN)
		r->bindings_lost = false;
	bus_up_state(r->bus, state, lost ? BUS_BINDINGS_LOST : BUS_BINDINGS_KEPT);
}

/* What follows from how things stand. */
static void advance(struct redis *r)
{
	if (r->check == CHECK_NONE && !r->check_out && r->subscriber.state == PIPELINE_UP &&
	    r->publisher.state == PIPELINE_UP)
		outbox_send_check(r);
	if (r->going_down && r->ops_out == 0 && !r->letters_head) {
		r->going_down = false;
		set_state(r, BUS_DOWN);
	}
	if (r->state == BUS_DOWN && r->check == CHECK_PASSED)
		set_state(r, BUS_UP);
	inbox_send_strays(r);
}

static void on_lost(struct redis *r)
{
	r->check = CHECK_NONE;
	r->going_down = r->state != BUS_DOWN;
}

/* --- the links ---------------------------------------------------------------------------------------------------- */

/* Each returns how much it took; less than TURN_PART: there was no more. */
static size_t take_subscriber(struct redis *r)
{
	struct pipeline_answer answer;
	size_t n = 0;

	for (; n < TURN_PART; n++) {
		int rc = pipeline_next(&r->subscriber, r->now_ms, &answer);
		if (rc == PIPELINE_E_NOTHING)
			break;
		if (rc == 0) {
			subscriber_on_answer(r, &answer);
		} else if (rc == PIPELINE_E_UP) {
			r->bindings_lost = true;
			subscriber_ask_nodes(r);
		} else {
			inbox_flush(r);
			on_lost(r);
			store_on_subscriber_lost(r);
			subscriber_on_lost(r);
		}
	}
	inbox_flush(r);
	return n;
}

static size_t take_publisher(struct redis *r)
{
	struct pipeline_answer answer;
	size_t n = 0;

	for (; n < TURN_PART; n++) {
		int rc = pipeline_next(&r->publisher, r->now_ms, &answer);
		if (rc == PIPELINE_E_NOTHING)
			break;
		if (rc == 0) {
			outbox_on_answer(r, &answer);
		} else if (rc == PIPELINE_E_LOST) {
			on_lost(r);
			outbox_on_lost(r);
		}
	}
	return n;
}

static bool redis_turn(void *impl, uint64_t now_ms)
{
	struct redis *r = impl;
	uint64_t until_us = clock_mono_us() + TURN_MAX_US;
	bool more = true;

	if (r->over)
		return false;
	if (r->fatal) {
		r->over = true;
		bus_up_fatal(r->bus, r->fatal);
		return false;
	}
	r->now_ms = now_ms;
	r->now_unix_ms = clock_unix_ms();
	for (size_t taken = 0; more && taken < TURN_MAX && clock_mono_us() < until_us;) {
		size_t of_subscriber = take_subscriber(r), of_publisher = take_publisher(r);
		taken += of_subscriber + of_publisher;
		more = of_subscriber == TURN_PART || of_publisher == TURN_PART;
	}
	advance(r);
	return more;
}

/* --- what core calls ---------------------------------------------------------------------------------------------- */

static bool takes_work(const struct redis *r)
{
	return r->state == BUS_UP && !r->going_down && !r->over;
}

static int redis_bind(void *impl, const struct key *key)
{
	return takes_work(impl) ? subscriber_ask(impl, key, "SUBSCRIBE") : BUS_E_UNAVAILABLE;
}

static int redis_unbind(void *impl, const struct key *key)
{
	return takes_work(impl) ? subscriber_ask(impl, key, "UNSUBSCRIBE") : BUS_E_UNAVAILABLE;
}

static int redis_publish(void *impl, struct bus_publication *publication)
{
	return takes_work(impl) ? outbox_publish(impl, publication) : BUS_E_UNAVAILABLE;
}

static int redis_announce(void *impl, struct str body)
{
	return takes_work(impl) ? outbox_announce(impl, body) : BUS_E_UNAVAILABLE;
}

static int redis_stored_fetch(void *impl)
{
	return takes_work(impl) ? store_fetch(impl) : BUS_E_UNAVAILABLE;
}

static int redis_stored_moved(void *impl, size_t n)
{
	return takes_work(impl) ? store_moved(impl, n) : BUS_E_UNAVAILABLE;
}

static void redis_settle(void *impl, struct bus_delivery *delivery, enum bus_settle_how how)
{
	inbox_settle(impl, delivery, how);
}

/* --- open, close -------------------------------------------------------------------------------------------------- */

static int make_pools(struct redis *r)
{
	size_t window = (size_t)r->config->publish_window;

	r->ops = calloc(OPS_MAX, sizeof(*r->ops));
	r->letters = calloc(window, sizeof(*r->letters));
	if (!r->ops || !r->letters)
		return -ENOMEM;
	for (size_t i = 0; i < OPS_MAX; i++) {
		r->ops[i].next = r->free_ops;
		r->free_ops = &r->ops[i];
	}
	for (size_t i = 0; i < window; i++) {
		r->letters[i].next = r->free_letters;
		r->free_letters = &r->letters[i];
	}
	return 0;
}

/* Without a secret only on request: then whoever may publish can speak for any user. */
static int take_secret(struct redis *r)
{
	const struct redis_config *config = &r->config->redis;
	struct buf secret GRID_CLEANUP(secret_deinit) = BUF_INIT;

	int rc = secret_read(config->secret, config->secret_file, &secret);
	if (rc == SECRET_E_UNREADABLE)
		r->fatal = "bus.redis.secret_file cannot be read, or its first line is empty";
	if (rc != 0 || r->fatal)
		return rc < 0 ? rc : 0;
	if (secret.n >= REDIS_SECRET_MIN)
		return hmac_new(buf_str(&secret), &r->hmac);
	if (secret.n)
		r->fatal = "bus.redis.secret is too short; a good one: openssl rand -hex 32";
	else if (!config->trust)
		r->fatal =
		    "bus.redis.secret is not set, so anybody who may publish on Redis could speak for any user: make one "
		    "(openssl rand -hex 32) for all nodes, or set bus.redis.trust = true";
	return 0;
}

static void start_links(struct redis *r, const struct bus_env *env)
{
	struct pipeline_setup setup = {
	    .config = &r->config->redis,
	    .role = "subscriber",
	    .node_id = r->node_id,
	    .greeting = {STR("SUBSCRIBE"), str_from(r->names.check)},
	    .greeting_n = 2,
	    .counters = &r->counters.subscriber,
	    .loop = env->loop,
	    .wake = env->wake,
	    .wake_arg = env->wake_arg,
	};

	pipeline_init(&r->subscriber, &setup);
	setup.role = "publisher";
	setup.greeting[0] = STR("PUBLISH");
	setup.greeting[2] = STR("");
	setup.greeting_n = 3;
	setup.counters = &r->counters.publisher;
	pipeline_init(&r->publisher, &setup);
}

/* Redis keeps nothing for us: strays that are not in the stream now are lost. */
static void finish_strays(struct redis *r)
{
	uint64_t until_ms = clock_mono_ms() + FINISH_MS;

	r->over = true;
	inbox_abandon(r);
	while ((r->strays_head || r->strays_out) && r->publisher.state == PIPELINE_UP && r->now_ms < until_ms) {
		inbox_send_strays(r);
		pipeline_wait(&r->publisher, until_ms - r->now_ms);
		r->now_ms = clock_mono_ms();
		take_publisher(r);
	}
}

static void redis_close(void *impl)
{
	struct redis *r = impl;

	finish_strays(r);
	pipeline_deinit(&r->subscriber);
	pipeline_deinit(&r->publisher);
	inbox_free(r);
	for (size_t i = 0; r->letters && i < (size_t)r->config->publish_window; i++)
		bus_publication_free(r->letters[i].publication);
	free(r->letters);
	free(r->ops);
	buf_deinit(&r->scratch);
	hmac_free(r->hmac);
	free(r->node_id);
	metrics_remove(r->metrics, &r->metric_set);
	free(r);
}

static int redis_open(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp)
{
	GRID_ASSERT(env->loop);
	struct redis *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->bus = bus;
	r->config = config;
	r->state = BUS_DOWN;
	r->identity_key = env->identity_key;
	r->metrics = env->metrics;
	redis_counters_add(env->metrics, &r->metric_set, &r->counters);
	r->node_id = strdup(env->node_id);
	int rc = r->node_id ? redis_names_init(&r->names, config->prefix, env->node_id, env->epoch) : -ENOMEM;
	if (rc == 0)
		rc = make_pools(r);
	if (rc == 0)
		rc = take_secret(r);
	start_links(r, env);
	if (rc != 0) {
		redis_close(r);
		return rc;
	}
	if (config->redis.trust)
		log_warn("bus.trusts",
		         "ATTENTION: bus.redis.trust is true, so whoever may publish on Redis can speak for any user");
	env->wake(env->wake_arg);
	*implp = r;
	return 0;
}

const struct bus_driver bus_redis_driver = {
    .name = "redis",
    .open = redis_open,
    .close = redis_close,
    .bind = redis_bind,
    .unbind = redis_unbind,
    .publish = redis_publish,
    .settle = redis_settle,
    .turn = redis_turn,
    .announce = redis_announce,
    .stored_fetch = redis_stored_fetch,
    .stored_moved = redis_stored_moved,
};
