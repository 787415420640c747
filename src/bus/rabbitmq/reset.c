/* Making the node's queue anew: what an earlier life has bound to it is not known, and would bring messages for ever.
 *
 *   EMPTYING ──nothing ready──▶ BYPASSED ──all of before has come──▶ CANCELLING ──settled──▶ DELETING ──▶ SERVING
 *
 * It is never quite empty while somebody publishes; and while RabbitMQ deletes a queue it goes on routing to it, for
 * about 1 ms for each binding left, confirms, and loses the messages (docs/decisions/015). So every user's messages
 * take a bypass meanwhile: a queue whose messages expire as they come, which makes dead letters of them, and these go
 * to the offline queue. What was in the queue before the bypass was bound is handed over, what came after is in both.
 * For users who are here on other nodes that is a copy too many. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/ulid.h"
#include "bus/rabbitmq/consumer_state.h"

#define RESET_MS 30000
#define RESET_LOOK_MS 10
#define DELETE_MS 120000
#define BYPASS_EXPIRES_MS 300000 /* it goes with the connection, too */

static amqp_connection_state_t conn(struct consumer *c)
{
	return c->link.conn;
}

void reset_begin(struct consumer *c)
{
	uint64_t now = clock_mono_ms();

	c->phase = PHASE_EMPTYING;
	c->reset.leftovers = 0;
	c->reset.deadline_ms = now + RESET_MS;
	c->reset.look_at_ms = now;
}

static int send_cancel(struct consumer *c)
{
	amqp_basic_cancel_t cancel = {.consumer_tag = amqp_from_text(c->setup->node_id)};
	c->phase = PHASE_CANCELLING;
	return link_status(&c->link, "cancelling",
	                   amqp_send_method(conn(c), CHANNEL_DELIVERIES, AMQP_BASIC_CANCEL_METHOD, &cancel));
}

static void give_up(struct consumer *c)
{
	c->reset.given_up = true;
	journal_drop(c->journal); /* which cannot know what else is bound */
	log_warn("bus.queue_kept",
	         "queue=%s handled=%u hint=\"it does not become empty, so bindings of an earlier life stay; "
	         "messages nobody here wants are dropped or handed over\"",
	         c->ours.queue, c->reset.leftovers);
}

int reset_distrust(struct consumer *c)
{
	c->owned = false;
	c->cold_why = "what should be bound to it is not";
	/* Another process' epoch would not do: it may be bound to what is there. */
	snprintf(c->ours.epoch, sizeof(c->ours.epoch), "%s", c->setup->epoch);
	return link_fail(&c->link, "the queue is not the one that the journal is about");
}

/* --- the bypass --------------------------------------------------------------------------------------------------- */

static int declare_bypass(struct consumer *c, amqp_bytes_t name)
{
	amqp_table_entry_t entries[] = {{.key = amqp_from_text("x-message-ttl")}, {.key = amqp_from_text("x-expires")}};
	const amqp_table_t arguments = {.num_entries = GRID_ARRAY_LEN(entries), .entries = entries};

	entries[0].value = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_I32, .value.i32 = 0};
	entries[1].value = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_I32, .value.i32 = BYPASS_EXPIRES_MS};
	amqp_queue_declare(conn(c), CHANNEL_SCRATCH, name, 0, 0, 1, 0, arguments);
	return queue_scratch_reply(c, "declaring the bypass");
}

/* From now on no user's message is only in the queue. `enough` deliveries more, and all of before has come: what waits
 * in it, and what is on its way. */
static int open_bypass(struct consumer *c)
{
	amqp_bytes_t queue, users = amqp_from_text(c->setup->topology.exchanges[EXCHANGE_USERS]);
	struct ulid_source source = {0};
	struct ulid id;
	uint32_t ready = 0;

	ulid_next(&source, clock_unix_ms(), &id);
	snprintf(c->reset.bypass, sizeof(c->reset.bypass), "%s.%s", c->setup->topology.node_queue, id.text);
	queue = amqp_from_text(c->reset.bypass);
	int rc = queue_open_scratch(c);
	if (rc == 0)
		rc = declare_bypass(c, queue);
	if (rc == 0) {
		amqp_queue_bind(conn(c), CHANNEL_SCRATCH, queue, users, amqp_from_text(ANY_USER), amqp_empty_table);
		rc = queue_scratch_reply(c, "binding the bypass");
	}
	if (rc == 0)
		rc = queue_look(c, c->ours.queue, &ready);
	c->reset.enough = c->reset.leftovers + ready + (unsigned)c->setup->config->rabbitmq.prefetch;
	c->phase = PHASE_BYPASSED;
	return queue_unexpected(rc);
}

static int close_bypass(struct consumer *c)
{
	amqp_bytes_t users = amqp_from_text(c->setup->topology.exchanges[EXCHANGE_USERS]);
	int rc = queue_open_scratch(c);

	if (rc == 0) {
		amqp_queue_unbind(conn(c), CHANNEL_SCRATCH, amqp_from_text(c->reset.bypass), users, amqp_from_text(ANY_USER),
		                  amqp_empty_table);
		rc = queue_scratch_reply(c, "unbinding the bypass");
	}
	return queue_unexpected(rc);
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static int look(struct consumer *c)
{
	uint32_t ready = 0;
	uint64_t now = clock_mono_ms();

	if (now < c->reset.look_at_ms)
		return 0;
	c->reset.look_at_ms = now + RESET_LOOK_MS;
	int rc = queue_unexpected(queue_look(c, c->ours.queue, &ready));
	if (rc != 0)
		return rc;
	if (c->phase == PHASE_EMPTYING)
		return ready == 0 ? open_bypass(c) : 0;
	bool all = (ready == 0 && intake_empty(&c->own)) || c->reset.leftovers >= c->reset.enough;
	return all ? send_cancel(c) : 0;
}

/* Nothing of it is with us any more, and nobody consumes. The answer can take a minute; heartbeats go on. */
static int send_delete(struct consumer *c)
{
	amqp_queue_delete_t m = {.queue = amqp_from_text(c->ours.queue), .if_unused = 1};
	int rc = queue_unexpected(queue_open_scratch(c));

	c->phase = PHASE_DELETING;
	c->reset.deadline_ms = clock_mono_ms() + DELETE_MS;
	if (rc == 0)
		rc = link_status(&c->link, "deleting the queue",
		                 amqp_send_method(conn(c), CHANNEL_SCRATCH, AMQP_QUEUE_DELETE_METHOD, &m));
	return rc;
}

static int on_deleted(struct consumer *c)
{
	int rc = queue_declare(c);

	if (rc == 0)
		rc = queue_consume(c);
	if (rc == 0)
		rc = close_bypass(c);
	if (rc != 0)
		return queue_unexpected(rc);
	counter_add(&c->counters->queue_resets, 1);
	log_info("bus.queue_reset", "queue=%s handled=%u why=%s", c->ours.queue, c->reset.leftovers,
	         LOG_QUOTED(str_from(c->cold_why)));
	consumer_serve(c, true);
	return 0;
}

int reset_on_frame(struct consumer *c, const amqp_frame_t *frame)
{
	bool method = frame->frame_type == AMQP_FRAME_METHOD;

	if (c->phase == PHASE_DELETING && method && frame->payload.method.id == AMQP_QUEUE_DELETE_OK_METHOD)
		return on_deleted(c);
	int rc = link_closed_by(&c->link, frame);
	c->scratch_open = c->scratch_open && rc == 0;
	if (c->phase == PHASE_DELETING)
		return queue_unexpected(rc);
	return rc < 0 ? rc : 0;
}

static int out_of_time(struct consumer *c)
{
	if (c->phase == PHASE_DELETING)
		return link_fail(&c->link, "deleting the queue of an earlier life takes too long");
	/* What is with us comes again on the next connection, like everything else then. */
	give_up(c);
	return link_fail(&c->link, "the queue of an earlier life did not get empty");
}

int reset_step(struct consumer *c)
{
	if (c->phase == PHASE_SERVING)
		return 0;
	if (clock_mono_ms() >= c->reset.deadline_ms)
		return out_of_time(c);
	if (c->phase == PHASE_EMPTYING || c->phase == PHASE_BYPASSED)
		return look(c);
	if (c->phase == PHASE_CANCELLING && c->cancelled && intake_empty(&c->own))
		return send_delete(c);
	return 0;
}
