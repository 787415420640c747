#include "bench/offline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/payload.h"

#define FOUND_MAX 65536
#define BATCH 64
#define FULL_NS 1000000

/* One message of ours. */
struct found {
	struct message_id id;
	bool redelivered;
};

static struct offline *of_link(struct amqp_link *link)
{
	return GRID_CONTAINER_OF(link, struct offline, link);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

static int on_established(struct amqp_link *link)
{
	struct offline *offline = of_link(link);
	amqp_bytes_t queue = amqp_from_str(str_from(offline->queue));

	atomic_store(&offline->held, 0);
	/* Without a limit: messages of others would use it up, and are not ours to touch. */
	amqp_basic_consume(link->conn, AMQP_LINK_CHANNEL, queue, amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
	return amqp_link_reply(link, "consuming the offline queue", amqp_get_rpc_reply(link->conn));
}

/* Hands it to the loop, which may have to catch up first. */
static int report(struct offline *offline, const struct payload *payload, bool redelivered)
{
	const struct timespec pause = {.tv_nsec = FULL_NS};
	struct found *found = malloc(sizeof(*found));

	if (!found)
		return amqp_link_fail(&offline->link, "out of memory");
	*found = (struct found){payload->id, redelivered};
	while (mailbox_push(offline->found, found) != 0) {
		if (atomic_load(&offline->link.stopping)) {
			free(found);
			return amqp_link_fail(&offline->link, "stopped");
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int look_at(struct offline *offline, uint64_t tag, bool redelivered, struct str body)
{
	struct payload payload;

	if (!payload_read(body, offline->run, offline->rooms, &payload)) {
		atomic_fetch_add(&offline->held, 1);
		return 0;
	}
	int r = report(offline, &payload, redelivered);
	if (r != 0)
		return r;
	return amqp_link_status(&offline->link, "acknowledging",
	                        amqp_basic_ack(offline->link.conn, AMQP_LINK_CHANNEL, tag, 0));
}

static int on_deliver(struct offline *offline, const amqp_basic_deliver_t *deliver)
{
	amqp_message_t message;
	uint64_t tag = deliver->delivery_tag;
	bool redelivered = deliver->redelivered;
	int r = amqp_link_reply(&offline->link, "reading a message",
	                        amqp_read_message(offline->link.conn, AMQP_LINK_CHANNEL, &message, 0));

	if (r != 0)
		return r;
	r = look_at(offline, tag, redelivered, amqp_str(message.body));
	amqp_destroy_message(&message);
	return r;
}

static int on_frame(struct amqp_link *link, const amqp_frame_t *frame)
{
	const amqp_method_t *method = &frame->payload.method;

	if (frame->frame_type != AMQP_FRAME_METHOD)
		return 0;
	if (method->id == AMQP_BASIC_CANCEL_METHOD)
		return amqp_link_fail(link, "the broker cancelled the consumer");
	return method->id == AMQP_BASIC_DELIVER_METHOD ? on_deliver(of_link(link), method->decoded) : 0;
}

static int on_idle(struct amqp_link *link)
{
	(void)link; /* it sends nothing by itself */
	return 0;
}

static void on_lost(struct amqp_link *link)
{
	(void)link; /* what was not acknowledged comes again */
}

static const struct amqp_link_handler link_handler = {on_established, on_frame, on_idle, on_lost};

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static void take(struct offline *offline)
{
	void *items[BATCH];
	size_t n;

	while ((n = mailbox_pop(offline->found, items, BATCH)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct found *found = items[i];
			ledger_offline(offline->ledger, &found->id, found->redelivered);
			free(found);
		}
	}
}

static void on_bell(struct bell *bell)
{
	take(GRID_CONTAINER_OF(bell, struct offline, bell));
}

/* --- making and freeing ------------------------------------------------------------------------------------------- */

static void free_parts(struct offline *offline)
{
	if (offline->found)
		take(offline);
	mailbox_free(offline->found);
	bell_deinit(&offline->bell);
}

int offline_init(struct offline *offline, struct reactor *reactor, struct ledger *ledger, const char *uri,
                 const char *prefix, struct str run, uint32_t rooms)
{
	*offline = (struct offline){.ledger = ledger, .run = run, .rooms = rooms};
	snprintf(offline->queue, sizeof(offline->queue), "%s.offline", prefix);
	int r = bell_init(&offline->bell, reactor, on_bell);
	if (r != 0)
		return r;
	offline->found = mailbox_new(FOUND_MAX, bell_ring, &offline->bell);
	r = offline->found ? amqp_link_init(&offline->link, &link_handler, "gridbench offline", uri) : -ENOMEM;
	if (r != 0)
		free_parts(offline);
	return r;
}

int offline_start(struct offline *offline)
{
	return amqp_link_start(&offline->link);
}

void offline_stop(struct offline *offline)
{
	amqp_link_stop(&offline->link);
}

void offline_deinit(struct offline *offline)
{
	amqp_link_deinit(&offline->link);
	free_parts(offline);
}
