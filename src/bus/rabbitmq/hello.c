#include "bus/rabbitmq/hello.h"

#include <stdio.h>
#include <string.h>

#include "bus/rabbitmq/driver_state.h"
#include "bus/rabbitmq/properties.h"

#define PER_DEAD_AFTER 6 /* hellos in node.dead_after: some may be late */
#define EVERY_MIN_MS 1000
#define EVERY_MS 5000 /* of a node that reaps nobody: others may reap its queue */

uint64_t hello_every(const struct bus_config *config)
{
	uint64_t every = (uint64_t)config->node.dead_after / PER_DEAD_AFTER;

	if (config->node.dead_after == 0)
		return EVERY_MS;
	return every > EVERY_MIN_MS ? every : EVERY_MIN_MS;
}

/* Only what may be a node's queue: it will be consumed, and deleted. */
static bool queue_valid(const struct setup *setup, struct str queue)
{
	size_t n = strlen(setup->topology.node_queue) - strlen(setup->node_id);
	struct str prefix = {setup->topology.node_queue, n};

	if (queue.n == 0)
		return true;
	return queue.n > n && queue.n <= PEER_QUEUE_MAX && str_starts(queue, prefix) && !memchr(queue.p, '\0', queue.n);
}

static bool origin_valid(struct str origin)
{
	return origin.n <= PEER_ORIGIN_MAX && origin.n && memchr(origin.p, '.', origin.n);
}

bool hello_read(const struct setup *setup, const struct incoming *in, struct hello *out)
{
	struct decoded decoded = {.n_keys = 0};

	decode_message(in->properties, in->body, setup->config->rabbitmq.user, &decoded);
	const struct message *m = &decoded.message;
	if (!queue_valid(setup, m->body) || !origin_valid(m->origin))
		return false;
	snprintf(out->queue, sizeof(out->queue), "%.*s", STR_ARG(m->body));
	snprintf(out->origin, sizeof(out->origin), "%.*s", STR_ARG(m->origin));
	return true;
}

/* --- on the loop -------------------------------------------------------------------------------------------------- */

void hello_advance(struct rabbitmq *r)
{
	if (r->publisher_link != PUBLISHER_UP || r->hello.out || r->now_ms < r->hello.at_ms)
		return;
	if (!r->hello.next.origin[0])
		snprintf(r->hello.next.origin, sizeof(r->hello.next.origin), "%s.%s", r->setup.node_id, r->setup.epoch);
	r->hello.sent = r->hello.next;
	r->hello.letter = (struct letter){.mail.kind = MAIL_LETTER, .kind = LETTER_HELLO, .hello = &r->hello.sent};
	r->hello.out = true;
	r->hello.at_ms = r->now_ms + hello_every(r->setup.config);
	counter_add(&r->counters.hellos_sent, 1);
	publisher_send(r->publisher, &r->hello.letter.mail);
}

void hello_on_up(struct rabbitmq *r)
{
	r->hello.at_ms = 0;
}

void hello_on_serving(struct rabbitmq *r, const char *queue, const char *epoch_key)
{
	snprintf(r->hello.next.queue, sizeof(r->hello.next.queue), "%s", queue);
	snprintf(r->hello.next.origin, sizeof(r->hello.next.origin), "%s", epoch_key + strlen("node."));
	r->hello.at_ms = 0;
}

void hello_on_letter(struct rabbitmq *r)
{
	r->hello.out = false;
}
