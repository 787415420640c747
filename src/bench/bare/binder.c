#include "bench/bare/binder.h"

#include "base/clock.h"
#include "base/ulid.h"

#define QUEUE_EXPIRES_MS 60000 /* a node's queue has that, too: what is left behind goes */

const char *const queue_kind_names[] = {[QUEUE_DURABLE] = "durable", [QUEUE_EXCLUSIVE] = "exclusive", NULL};

void binder_name_run(char run[BINDER_RUN_LEN + 1])
{
	struct ulid_source source = {0};
	struct ulid id;

	ulid_next(&source, clock_unix_ms(), &id); /* its end is random */
	memcpy(run, id.text + ULID_LEN - BINDER_RUN_LEN, BINDER_RUN_LEN);
	run[BINDER_RUN_LEN] = '\0';
}

void binder_init(struct binder *binder, const char *prefix, const char *run, enum queue_kind kind, bool exact,
                 uint32_t keys, uint32_t window)
{
	*binder = (struct binder){.kind = kind, .exact = exact, .run = run, .window = {.wanted = keys, .size = window}};
	/* Accounts of nodes may have such a queue, and the policies for nodes' queues are for it, too. */
	snprintf(binder->queue, sizeof(binder->queue), "%s.node.bench-%s", prefix, run);
	snprintf(binder->exchange, sizeof(binder->exchange), "%s.users", prefix);
}

struct bench_name binder_key(const char *run, uint32_t i)
{
	struct bench_name key;

	snprintf(key.text, sizeof(key.text), "user.bench-%s-%u", run, i);
	return key;
}

int binder_declare(struct binder *binder, struct amqp_link *link)
{
	bool exclusive = binder->kind == QUEUE_EXCLUSIVE;
	amqp_table_entry_t expires = {.key = amqp_from_str(STR("x-expires"))};
	const amqp_table_t arguments = {.num_entries = exclusive ? 0 : 1, .entries = &expires};

	expires.value.kind = AMQP_FIELD_KIND_I32;
	expires.value.value.i32 = QUEUE_EXPIRES_MS;
	amqp_queue_declare(link->conn, AMQP_LINK_CHANNEL, amqp_from_str(str_from(binder->queue)), 0, !exclusive, exclusive,
	                   0, arguments);
	return amqp_link_reply(link, "declaring the queue", amqp_get_rpc_reply(link->conn));
}

static int ask(struct binder *binder, struct amqp_link *link)
{
	const struct bench_name user = binder_key(binder->run, binder->window.asked);
	char key[sizeof(user.text) + sizeof(".#")];

	snprintf(key, sizeof(key), "%s%s", user.text, binder->exact ? "" : ".#");
	amqp_queue_bind_t bind = {.queue = amqp_from_str(str_from(binder->queue)),
	                          .exchange = amqp_from_str(str_from(binder->exchange)),
	                          .routing_key = amqp_from_str(str_from(key))};
	if (binder->window.asked == 0)
		binder->began_us = binder->ended_us = clock_mono_us();
	binder->window.asked++;
	return amqp_link_status(link, "binding",
	                        amqp_send_method(link->conn, AMQP_LINK_CHANNEL, AMQP_QUEUE_BIND_METHOD, &bind));
}

int binder_ask(struct binder *binder, struct amqp_link *link)
{
	int r = 0;

	while (r == 0 && window_open(&binder->window))
		r = ask(binder, link);
	return r;
}

int binder_answered(struct binder *binder, struct amqp_link *link)
{
	if (!window_answer(&binder->window))
		return amqp_link_fail(link, "an answer to a bind that was not asked for");
	binder->ended_us = clock_mono_us();
	return 0;
}

int binder_delete(struct binder *binder, struct amqp_link *link)
{
	amqp_queue_delete(link->conn, AMQP_LINK_CHANNEL, amqp_from_str(str_from(binder->queue)), 0, 0);
	return amqp_link_reply(link, "deleting the queue", amqp_get_rpc_reply(link->conn));
}
