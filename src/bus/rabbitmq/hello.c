#include "bus/rabbitmq/hello.h"

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

struct hello hello_of(const struct setup *setup)
{
	const struct topology *t = &setup->topology;

	return (struct hello){.queue = str_from(t->node_queue), .origin = str_from(t->epoch_key + strlen("node."))};
}

/* Only what may be a node's queue: it will be consumed, and deleted. */
static bool queue_valid(const struct setup *setup, struct str queue)
{
	size_t n = strlen(setup->topology.node_queue) - strlen(setup->node_id);
	struct str prefix = {setup->topology.node_queue, n};

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
	*out = (struct hello){.queue = decoded.message.body, .origin = decoded.message.origin};
	return queue_valid(setup, out->queue) && origin_valid(out->origin);
}

/* --- on the loop -------------------------------------------------------------------------------------------------- */

void hello_advance(struct rabbitmq *r)
{
	if (r->publisher_link != PUBLISHER_UP || r->hello.out || r->now_ms < r->hello.at_ms)
		return;
	r->hello.letter = (struct letter){.mail.kind = MAIL_LETTER, .kind = LETTER_HELLO};
	r->hello.out = true;
	r->hello.at_ms = r->now_ms + hello_every(r->setup.config);
	counter_add(&r->counters.hellos_sent, 1);
	publisher_send(r->publisher, &r->hello.letter.mail);
}

void hello_on_up(struct rabbitmq *r)
{
	r->hello.at_ms = 0;
}

void hello_on_letter(struct rabbitmq *r)
{
	r->hello.out = false;
}
