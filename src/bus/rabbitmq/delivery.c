#include "bus/rabbitmq/delivery.h"

#include <errno.h>
#include <stdlib.h>

#include "bus/rabbitmq/properties.h"

/* Of all there is of it, so that only what is the same in every byte is taken for the same. */
static uint64_t fingerprint(const struct setup *setup, const struct incoming *in)
{
	const amqp_basic_deliver_t *method = in->method;
	struct siphash h = siphash_begin(&setup->fingerprint_key);

	siphash_add_piece(&h, amqp_str(method->exchange));
	siphash_add_piece(&h, amqp_str(method->routing_key));
	siphash_add_piece(&h, in->raw_properties);
	siphash_add_piece(&h, in->body);
	return siphash_end(&h);
}

static struct delivery *alloc(size_t n_targets)
{
	struct delivery *d = calloc(1, sizeof(*d) + n_targets * sizeof(d->bus.targets[0]));
	if (d) {
		d->mail.kind = MAIL_DELIVERY;
		d->letter = (struct letter){.mail.kind = MAIL_LETTER, .kind = LETTER_STRAY, .delivery = d};
	}
	return d;
}

/* What a hand-over will need: the message as it came. */
static int keep_raw(struct delivery *d, struct str properties, struct str body)
{
	d->raw = malloc(properties.n + body.n + 1);
	if (!d->raw)
		return -ENOMEM;
	if (properties.n)
		memcpy(d->raw, properties.p, properties.n);
	if (body.n)
		memcpy(d->raw + properties.n, body.p, body.n);
	d->raw_properties = properties.n;
	d->raw_body = body.n;
	return 0;
}

static bool has_user(const struct decoded *decoded)
{
	for (size_t i = 0; i < decoded->n_keys; i++)
		if (decoded->keys[i].kind == KEY_USER)
			return true;
	return false;
}

static void count_ignored(struct rabbitmq_counters *counters, const struct decoded *decoded)
{
	counter_add(&counters->ignored_keys, decoded->n_keys ? decoded->bad_keys : 0);
	counter_add(&counters->ignored_headers, decoded->ignored_headers);
	counter_add(&counters->ignored_types, decoded->ignored_type);
}

static int new_message(const struct setup *setup, const struct decoded *decoded, const struct incoming *in,
                       struct now now, struct delivery **deliveryp)
{
	struct delivery *d = alloc(decoded->n_keys);
	int rc = 0;

	if (!d)
		return -ENOMEM;
	d->kind = DELIVERY_MESSAGE;
	d->trusted = decoded->trusted;
	/* Receipts, presence and control are worth nothing to somebody who is not here. */
	d->keep = has_user(decoded) && !type_reserved(decoded->message.type);
	if (d->keep)
		rc = keep_raw(d, in->raw_properties, in->body);
	if (rc == 0)
		rc = bus_delivery_init(&d->bus, decoded->keys, decoded->n_keys, &decoded->message, now.unix_ms, now.mono_ms);
	if (rc != 0) {
		free(d->raw);
		free(d);
		return rc;
	}
	bus_delivery_identify(&d->bus, &decoded->message, setup->identity_key);
	*deliveryp = d;
	return 0;
}

/* What came through the nodes' exchange. Kinds of control messages yet to come have their place here. */
static int new_control(const struct setup *setup, struct str routing_key, const struct decoded *decoded,
                       struct delivery **deliveryp)
{
	if (decoded->trusted && str_eq(decoded->message.type, STR(TYPE_HELLO)))
		return DELIVERY_E_HELLO;
	if (!decoded->trusted || !str_eq(decoded->message.type, STR(TYPE_LOOPBACK)) ||
	    !topology_is_epoch_key(&setup->topology, routing_key)) {
		counter_add(&setup->counters->dropped_control, 1);
		return DELIVERY_E_DROP;
	}
	struct delivery *d = alloc(0);
	if (!d)
		return -ENOMEM;
	d->kind = DELIVERY_LOOPBACK;
	d->check = decoded->message.seq;
	*deliveryp = d;
	return 0;
}

int delivery_new(const struct setup *setup, const struct incoming *in, struct now now, struct delivery **deliveryp)
{
	const amqp_basic_deliver_t *method = in->method;
	enum exchange exchange = topology_exchange(&setup->topology, amqp_str(method->exchange));
	struct decoded decoded; /* 3.7 KB: not worth clearing for each message */
	int rc;

	if (exchange != EXCHANGE_USERS && exchange != EXCHANGE_ROOMS && exchange != EXCHANGE_NODES) {
		counter_add(&setup->counters->dropped_exchange, 1);
		return DELIVERY_E_DROP;
	}
	decode_message(in->properties, in->body, setup->config->rabbitmq.user, &decoded);
	if (exchange == EXCHANGE_NODES) {
		rc = new_control(setup, amqp_str(method->routing_key), &decoded, deliveryp);
	} else {
		decode_keys(exchange, amqp_str(method->routing_key), in->properties, &decoded);
		count_ignored(setup->counters, &decoded);
		if (decoded.n_keys == 0) {
			counter_add(&setup->counters->dropped_key, 1);
			return DELIVERY_E_DROP;
		}
		rc = new_message(setup, &decoded, in, now, deliveryp);
	}
	if (rc == 0) {
		(*deliveryp)->tag = method->delivery_tag;
		(*deliveryp)->expected.fingerprint = fingerprint(setup, in);
		(*deliveryp)->bus.redelivered = method->redelivered;
	}
	return rc;
}

void delivery_strip(struct delivery *d)
{
	bus_delivery_deinit(&d->bus);
	free(d->raw);
	d->raw = NULL;
}

struct delivery *delivery_free(struct delivery *d)
{
	if (d) {
		delivery_strip(d);
		free(d);
	}
	return NULL;
}
