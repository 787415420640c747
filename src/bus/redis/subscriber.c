/* The subscribing link: what is bound, and what comes. */
#include "bus/redis/driver_state.h"

int subscriber_ask(struct redis *r, const struct key *key, const char *command)
{
	struct op *op = r->free_ops;
	char channel[CHANNEL_MAX + 1];

	if (!op)
		return BUS_E_BUSY;
	r->free_ops = op->next;
	r->ops_out++;
	op->key = *key;
	op->request.kind = REQUEST_OP;
	pipeline_ask(&r->subscriber, &op->request,
	             (const struct str[]){str_from(command), redis_channel(&r->names, key, channel)}, 2);
	return 0;
}

void subscriber_ask_nodes(struct redis *r)
{
	r->nodes_request.kind = REQUEST_NODES;
	pipeline_ask(&r->subscriber, &r->nodes_request, (const struct str[]){STR("SUBSCRIBE"), str_from(r->names.nodes)},
	             2);
}

static void tell(struct redis *r, struct request *request, enum bus_bind_result result)
{
	struct op *op = GRID_CONTAINER_OF(request, struct op, request);
	struct key key = op->key;

	op->next = r->free_ops;
	r->free_ops = op;
	r->ops_out--;
	inbox_flush(r);
	bus_up_bound(r->bus, &key, result);
}

void subscriber_on_answer(struct redis *r, struct pipeline_answer *answer)
{
	if (!answer->request) {
		inbox_on_message(r, answer->reply);
		return;
	}
	bool own = answer->request->kind == REQUEST_NODES;
	bool refused = answer->reply->type == REDIS_REPLY_ERROR;
	if (refused)
		log_limited(&r->refused_limit, r->now_ms, LOG_LEVEL_WARN, "bus.refused", "what=subscribe why=%s",
		            LOG_QUOTED(str_from(answer->reply->str)));
	freeReplyObject(answer->reply);
	if (!own)
		tell(r, answer->request, refused ? BUS_BIND_REFUSED : BUS_BIND_OK);
}

void subscriber_on_lost(struct redis *r)
{
	struct request *request;

	while ((request = pipeline_take_unanswered(&r->subscriber)))
		if (request->kind == REQUEST_OP)
			tell(r, request, BUS_BIND_LOST);
}
