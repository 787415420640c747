/* What goes out: each kind of letter as a message, and as many as there is room for. */
#include <stdint.h>
#include <string.h>

#include "bus/rabbitmq/delivery.h"
#include "bus/rabbitmq/hello.h"
#include "bus/rabbitmq/properties.h"
#include "bus/rabbitmq/publisher_state.h"

#define BATCH 64 /* letters between two looks at what came, and whether the socket still takes any */
#define BATCH_BYTES 65536
#define FRAME_OVERHEAD 8     /* bytes of a frame around its body */
#define LETTER_OVERHEAD 2048 /* exchange, key and properties at most */
#define POOL_PAGE 4096

static int send_bytes(struct publisher *p, enum exchange exchange, const char *routing_key, bool mandatory,
                      const amqp_basic_properties_t *properties, struct str body)
{
	size_t frame_body = (size_t)amqp_get_frame_max(p->link.conn) - FRAME_OVERHEAD;

	counter_add(&p->counters->published, 1);
	p->batch_bytes += body.n;
	int status =
	    amqp_basic_publish(p->link.conn, PUBLISHER_CHANNEL, amqp_from_text(p->setup->topology.exchanges[exchange]),
	                       amqp_from_text(routing_key), mandatory, 0, properties, amqp_from_str(body));
	/* A last frame that is exactly full is sent with the flag "more to come", and would wait for it. */
	if (body.n && body.n % frame_body == 0)
		link_cork(&p->link, false);
	return link_status(&p->link, "publishing", status);
}

/* A user's message goes out so that it comes back when no node has the user; then it goes to where absent users'
 * messages go, and that must take it. */
static int send_publication(struct publisher *p, const struct letter *letter)
{
	const struct bus_publication *publication = letter->publication;
	const struct message *m = &publication->message;
	uint64_t number = confirms_next(p->confirms);
	char routing_key[ROUTING_KEY_MAX + 1];
	struct encoded e;

	if (letter->handed_over) {
		encode_message(m, p->setup->config->rabbitmq.user, number, true, &e);
		return send_bytes(p, EXCHANGE_UNROUTED, publication->key.text, true, &e.properties, m->body);
	}
	bool to_user = publication->key.kind == KEY_USER;
	encode_message(m, p->setup->config->rabbitmq.user, to_user ? number : 0, m->persistent, &e);
	topology_publish_key(&publication->key, routing_key);
	return send_bytes(p, topology_key_exchange(&publication->key), routing_key, to_user, &e.properties, m->body);
}

static int send_stray(struct publisher *p, const struct letter *letter)
{
	const struct delivery *d = letter->delivery;
	amqp_basic_properties_t *properties;
	amqp_pool_t pool;

	init_amqp_pool(&pool, POOL_PAGE);
	int rc = encode_stray(delivery_raw_properties(d), (size_t)amqp_get_frame_max(p->link.conn), d->trusted,
	                      p->setup->config->rabbitmq.user, p->setup->node_id, confirms_next(p->confirms), &pool,
	                      &properties);
	if (rc == 0)
		rc = send_bytes(p, EXCHANGE_UNROUTED, d->bus.targets[letter->target].key.text, true, properties,
		                delivery_raw_body(d));
	else
		rc = link_fail(&p->link, "encoding a stray: %s", strerrordesc_np(-rc));
	empty_amqp_pool(&pool);
	return rc;
}

static int send_loopback(struct publisher *p, const struct letter *letter)
{
	const struct message m = {.type = STR(TYPE_LOOPBACK), .seq = letter->check, .body = STR("{}")};
	struct encoded e;

	encode_message(&m, p->setup->config->rabbitmq.user, confirms_next(p->confirms), false, &e);
	return send_bytes(p, EXCHANGE_NODES, letter->key, true, &e.properties, m.body);
}

static int send_hello(struct publisher *p, const struct letter *letter)
{
	const struct message m = {
	    .type = STR(TYPE_HELLO), .origin = str_from(letter->hello->origin), .body = str_from(letter->hello->queue)};
	struct encoded e;

	encode_message(&m, p->setup->config->rabbitmq.user, 0, false, &e);
	return send_bytes(p, EXCHANGE_NODES, "all", false, &e.properties, m.body);
}

static int send_letter(struct publisher *p, struct letter *letter)
{
	int rc = 0;

	letter->returned = false;
	switch (letter->kind) {
	case LETTER_PUBLICATION:
		rc = send_publication(p, letter);
		break;
	case LETTER_STRAY:
		rc = send_stray(p, letter);
		break;
	case LETTER_LOOPBACK:
		rc = send_loopback(p, letter);
		break;
	case LETTER_HELLO:
		rc = send_hello(p, letter);
		break;
	}
	confirms_sent(p->confirms, letter);
	return rc;
}

static struct letters *next_queue(struct publisher *p)
{
	return p->again.head ? &p->again : &p->waiting;
}

bool publisher_has_unsent(const struct publisher *p)
{
	return !p->blocked && (p->again.head || p->waiting.head);
}

/* With all that goes around a body. */
static size_t letter_size(const struct letter *letter)
{
	switch (letter->kind) {
	case LETTER_PUBLICATION:
		return letter->publication->message.body.n + LETTER_OVERHEAD;
	case LETTER_STRAY:
		return letter->delivery->raw_body + letter->delivery->raw_properties + LETTER_OVERHEAD;
	case LETTER_LOOPBACK:
	case LETTER_HELLO:
		break;
	}
	return LETTER_OVERHEAD;
}

int publisher_send_letters(struct publisher *p)
{
	bool on_loop = helm_with_loop(&p->helm);
	int rc = 0;

	if (!publisher_has_unsent(p) || (!on_loop && !link_writable(&p->link)))
		return 0;
	size_t room = on_loop ? link_room(&p->link) : SIZE_MAX;
	bool several = p->again.head ? p->again.head->next || p->waiting.head : p->waiting.head->next != NULL;
	if (several)
		link_cork(&p->link, true);
	p->batch_bytes = 0;
	for (int i = 0; i < BATCH && p->batch_bytes < BATCH_BYTES && rc == 0 && publisher_has_unsent(p); i++) {
		size_t size = letter_size(next_queue(p)->head);
		if (size > room)
			break;
		room -= size;
		rc = send_letter(p, letters_pop(next_queue(p)));
	}
	if (several)
		link_cork(&p->link, false);
	return rc;
}
