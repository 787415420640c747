/* The node's queue on the broker, from connect to consuming: what must be there, what is found there, whose it is. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "bus/rabbitmq/consumer_state.h"
#include "bus/rabbitmq/refusal.h"

#define QUEUE_EXPIRES_MS 86400000 /* the one argument, never changed; shorter ones are a policy's matter */
#define TAKEN_RETRY_MS 500
#define GHOST_MARGIN_MS 1000
#define TAKEN_LOG_MS 60000

static amqp_connection_state_t conn(struct consumer *c)
{
	return c->link.conn;
}

static amqp_bytes_t queue_name(const struct consumer *c)
{
	return amqp_from_text(c->ours.queue);
}

static bool exclusive_mode(const struct consumer *c)
{
	return c->setup->config->rabbitmq.queue == RABBITMQ_QUEUE_EXCLUSIVE;
}

static int open_channel(struct consumer *c, amqp_channel_t channel)
{
	amqp_channel_open(conn(c), channel);
	return link_reply(&c->link, channel, "opening a channel", amqp_get_rpc_reply(conn(c)));
}

/* The channel for questions the broker may answer by closing it. */
int queue_open_scratch(struct consumer *c)
{
	if (c->scratch_open)
		return 0;
	int rc = open_channel(c, CHANNEL_SCRATCH);
	c->scratch_open = rc == 0;
	return rc;
}

int queue_scratch_reply(struct consumer *c, const char *doing)
{
	int rc = link_reply(&c->link, CHANNEL_SCRATCH, doing, amqp_get_rpc_reply(conn(c)));
	c->scratch_open = rc == 0;
	return rc;
}

/* A refusal that is nobody's plan: the link is given up, the next attempt starts from the beginning. */
int queue_unexpected(int rc)
{
	return rc == LINK_E_CHANNEL ? -ECONNABORTED : rc;
}

/* --- what must be there ------------------------------------------------------------------------------------------- */

static int missing(struct consumer *c, const char *what, const char *name)
{
	const struct bus_config *config = c->setup->config;
	char line[sizeof(c->fatal_event.text)];

	snprintf(line, sizeof(line),
	         "%s \"%s\" is missing in vhost \"%s\": run scripts/provision --url http://%s:15672 --vhost %s --prefix %s",
	         what, name, config->rabbitmq.vhost, c->link.host, config->rabbitmq.vhost, config->prefix);
	if (c->served) {
		int rc = link_fail(&c->link, "%s", line);
		c->link.code = AMQP_NOT_FOUND;
		return rc;
	}
	return consumer_give_up(c, "%s", line);
}

static int check_exchange(struct consumer *c, const char *name)
{
	int rc = queue_open_scratch(c);
	if (rc != 0)
		return rc;
	amqp_exchange_declare(conn(c), CHANNEL_SCRATCH, amqp_from_text(name), amqp_from_text("topic"), 1, 1, 0, 0,
	                      amqp_empty_table);
	return queue_scratch_reply(c, "looking for an exchange");
}

/* 0 and how many messages wait in it. */
int queue_look(struct consumer *c, const char *name, uint32_t *readyp)
{
	int rc = queue_open_scratch(c);
	if (rc != 0)
		return rc;
	const amqp_queue_declare_ok_t *ok =
	    amqp_queue_declare(conn(c), CHANNEL_SCRATCH, amqp_from_text(name), 1, 0, 0, 0, amqp_empty_table);
	rc = queue_scratch_reply(c, "looking for a queue");
	if (rc == 0 && readyp)
		*readyp = ok->message_count;
	return rc;
}

static int check_topology(struct consumer *c)
{
	const struct topology *t = &c->setup->topology;
	int rc;

	for (size_t i = 0; i < EXCHANGE_COUNT; i++) {
		rc = check_exchange(c, t->exchanges[i]);
		if (rc == LINK_E_CHANNEL && c->link.code == AMQP_NOT_FOUND)
			return missing(c, "exchange", t->exchanges[i]);
		if (rc != 0)
			return queue_unexpected(rc);
	}
	rc = queue_look(c, t->offline_queue, NULL);
	if (rc == LINK_E_CHANNEL && refusal_is_away(c->link.code, c->link.why)) {
		log_warn("bus.offline_away", "queue=%s why=%s", t->offline_queue, LOG_QUOTED(str_from(c->link.why)));
		return 0;
	}
	if (rc == LINK_E_CHANNEL && c->link.code == AMQP_NOT_FOUND)
		return missing(c, "queue", t->offline_queue);
	return queue_unexpected(rc);
}

/* --- declaring ---------------------------------------------------------------------------------------------------- */

int queue_declare(struct consumer *c)
{
	amqp_table_entry_t expires = {.key = amqp_from_text("x-expires")};
	const amqp_table_t arguments = {.num_entries = exclusive_mode(c) ? 0 : 1, .entries = &expires};

	expires.value.kind = AMQP_FIELD_KIND_I32;
	expires.value.value.i32 = QUEUE_EXPIRES_MS;
	int rc = queue_open_scratch(c);
	if (rc != 0)
		return rc;
	amqp_queue_declare(conn(c), CHANNEL_SCRATCH, queue_name(c), 0, !exclusive_mode(c), exclusive_mode(c), 0, arguments);
	return queue_scratch_reply(c, "declaring the queue");
}

static bool is_missing(const struct link *link)
{
	return link->code == AMQP_NOT_FOUND && !refusal_is_away(link->code, link->why);
}

/* The queue is there when this returns 0; `existed`: it was before. LINK_E_CHANNEL: locked by another connection, or
 * its broker is away. */
static int declare_or_find(struct consumer *c, bool *existedp)
{
	const char *name = c->ours.queue;
	int rc = queue_look(c, name, NULL);

	*existedp = rc == 0;
	if (rc < 0 || (rc == LINK_E_CHANNEL && !is_missing(&c->link)))
		return rc;
	rc = queue_declare(c);
	/* Locked, after it was not in the question before: it is one that is not exclusive, and we want one that is. */
	bool differs = c->link.code == AMQP_PRECONDITION_FAILED || (*existedp && c->link.code == AMQP_RESOURCE_LOCKED);
	if (rc == LINK_E_CHANNEL && differs) {
		*existedp = true;
		log_warn("bus.queue_differs",
		         "queue=%s why=%s hint=\"goes on with it as it is; rabbitmqadmin delete queue name=%s "
		         "and it will be made as it should be\"",
		         name, LOG_QUOTED(str_from(c->link.why)), name);
		return 0;
	}
	return rc;
}

/* --- consuming ---------------------------------------------------------------------------------------------------- */

int queue_consume(struct consumer *c)
{
	amqp_basic_qos(conn(c), CHANNEL_DELIVERIES, 0, (uint16_t)c->setup->config->rabbitmq.prefetch, 0);
	int rc = link_reply(&c->link, CHANNEL_DELIVERIES, "setting the prefetch", amqp_get_rpc_reply(conn(c)));
	if (rc != 0)
		return rc;
	c->cancelled = false;
	amqp_basic_consume(conn(c), CHANNEL_DELIVERIES, queue_name(c), amqp_from_text(c->setup->node_id), 0, 0, 1,
	                   amqp_empty_table);
	return link_reply(&c->link, CHANNEL_DELIVERIES, "consuming", amqp_get_rpc_reply(conn(c)));
}

/* Keeps the connection alive for a while. */
static int idle(struct consumer *c, uint64_t ms)
{
	uint64_t until = clock_mono_ms() + ms;
	amqp_frame_t frame;

	for (uint64_t now = until - ms; now < until; now = clock_mono_ms()) {
		int rc = link_read(&c->link, &frame);
		if (rc == 0)
			rc = link_closed_by(&c->link, &frame);
		if (rc < 0 || link_stopping(&c->link))
			return rc < 0 ? rc : link_fail(&c->link, "stopping");
		link_release(&c->link);
		if (rc == LINK_E_NOTHING)
			link_wait(&c->link, until - now, false);
	}
	return 0;
}

/* Another process has our id, or a connection of our own that the broker has not given up yet. RabbitMQ looks once per
 * heartbeat and gives a silent connection up at the second look without news: two to three heartbeats after its last
 * byte (rabbit_heartbeat.erl). */
static uint64_t ghost_ms(const struct consumer *c)
{
	return 3 * (uint64_t)c->setup->config->rabbitmq.heartbeat + GHOST_MARGIN_MS;
}

static int wait_taken(struct consumer *c, uint64_t *sincep, uint64_t *toldp)
{
	uint64_t now = clock_mono_ms();

	if (*sincep == 0)
		*sincep = now;
	if (!c->served && now - *sincep >= ghost_ms(c))
		return consumer_give_up(
		    c, "node id \"%s\" is taken: another process consumes queue \"%s\" on %s:%s; give this node another id",
		    c->setup->node_id, c->ours.queue, c->link.host, c->link.port);
	if (*toldp == 0 || now - *toldp >= TAKEN_LOG_MS) {
		*toldp = now;
		log_warn("bus.id_in_use", "node=%s queue=%s why=%s hint=\"waiting for it\"", c->setup->node_id, c->ours.queue,
		         LOG_QUOTED(str_from(c->link.why)));
	}
	return idle(c, TAKEN_RETRY_MS);
}

/* The queue cannot be had as things are: when this returns 0, try again. */
static int wait_or_fall_back(struct consumer *c, uint64_t *sincep, uint64_t *toldp)
{
	const struct link *link = &c->link;

	if (refusal_is_taken(link->code, link->why))
		return wait_taken(c, sincep, toldp);
	if (exclusive_mode(c) || !refusal_is_away(link->code, link->why))
		return queue_unexpected(LINK_E_CHANNEL);
	takeover_fall_back(c);
	return 0;
}

/* Declares and consumes; until it is ours nothing is bound, published or taken. */
static int claim(struct consumer *c, bool *existedp)
{
	uint64_t since = 0, told = 0;

	for (;;) {
		bool channel_closed = false;
		int rc = declare_or_find(c, existedp);
		if (rc == 0) {
			rc = queue_consume(c);
			channel_closed = rc == LINK_E_CHANNEL;
		}
		if (rc != LINK_E_CHANNEL)
			return rc;
		rc = wait_or_fall_back(c, &since, &told);
		if (rc == 0 && channel_closed)
			rc = queue_unexpected(open_channel(c, CHANNEL_DELIVERIES));
		if (rc != 0)
			return rc;
	}
}

/* --- whose it is -------------------------------------------------------------------------------------------------- */

/* Is a queue found on the broker taken over as it is? Yes, if what is bound to it is known: this process has bound it,
 * or the journal of the one before says so. Else it is emptied and made anew, since bindings cannot be listed over
 * AMQP, and unknown ones would bring messages for ever. */
static bool adopts(struct consumer *c)
{
	if (!c->owned)
		takeover_queue(c);
	return c->owned || c->reset.given_up;
}

/* Queues left behind that have gone by themselves need nobody's care any more; the others do, once in each process. */
static int look_after_left(struct consumer *c)
{
	for (size_t i = c->ours.n_left; i-- > 0;) {
		int rc = queue_look(c, c->ours.left[i], NULL);
		if (rc < 0)
			return rc;
		if (rc == LINK_E_CHANNEL && is_missing(&c->link))
			queue_left_gone(c, c->ours.left[i]);
		else if (!c->served)
			queue_left_behind(c, c->ours.left[i]);
	}
	return 0;
}

int queue_establish(struct consumer *c)
{
	bool existed = false;

	c->scratch_open = false;
	c->phase = PHASE_SERVING;
	int rc = queue_unexpected(open_channel(c, CHANNEL_DELIVERIES));
	if (rc == 0)
		rc = queue_unexpected(open_channel(c, CHANNEL_BINDINGS));
	if (rc == 0)
		rc = check_topology(c);
	if (rc == 0) {
		takeover_find_queue(c);
		rc = look_after_left(c);
	}
	if (rc == 0)
		rc = claim(c, &existed);
	if (rc != 0)
		return rc;
	c->life++;
	reaper_begin(c);
	consumer_tell(c, &c->begin);
	if (!existed)
		takeover_missed(c);
	if (!existed || adopts(c))
		consumer_serve(c, !existed || !c->owned);
	else
		reset_begin(c);
	return 0;
}
