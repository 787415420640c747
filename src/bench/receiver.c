#include "bench/receiver.h"

#include <errno.h>
#include <stdlib.h>

#define REJOIN_MS 1000

static struct receiver *receiver_of(struct client *client)
{
	return GRID_CONTAINER_OF(client, struct receiver, client);
}

static struct reactor *reactor_of(const struct receiver *receiver)
{
	return receiver->shared->clients->ws.reactor;
}

static const struct dialect *dialect_of(const struct receiver *receiver)
{
	return receiver->shared->clients->dialect;
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

static void subscribe(struct receiver *receiver, struct membership *membership)
{
	membership->subscription = ledger_subscribe(receiver->shared->ledger, membership->target, receiver->client.session,
	                                            reactor_of(receiver)->now_us);
	if (!membership->subscription)
		reactor_fail(reactor_of(receiver), -ENOMEM);
	receiver->joined++;
}

/* Must it be asked for, or does it come by being connected? */
static bool is_asked_for(const struct receiver *receiver, const struct membership *membership)
{
	const struct dialect *dialect = dialect_of(receiver);

	return dialect->ops->joins & (membership->target < dialect->rooms ? DIALECT_JOINS_ROOMS : DIALECT_JOINS_USER);
}

static void join(struct receiver *receiver, uint32_t i)
{
	const struct dialect *dialect = dialect_of(receiver);
	struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;

	dialect->ops->put_join(dialect, receiver->memberships[i].target, i, &text);
	if (text.failed)
		reactor_fail(reactor_of(receiver), -ENOMEM);
	else
		client_send(&receiver->client, buf_str(&text));
}

static void join_missing(struct receiver *receiver)
{
	const struct dialect_ops *ops = dialect_of(receiver)->ops;
	uint32_t asked = 0;

	for (uint32_t i = 0; i < receiver->n_memberships; i++) {
		if (receiver->memberships[i].subscription)
			continue;
		join(receiver, i);
		asked++;
	}
	if (asked && ops->answers == DIALECT_ANSWERS_SYNC)
		client_send(&receiver->client, str_from(ops->sync));
}

static void on_rejoin(struct timer *timer)
{
	struct receiver *receiver = GRID_CONTAINER_OF(timer, struct receiver, rejoin);

	receiver->shared->join_retries++;
	join_missing(receiver);
}

static void count_complete(struct receiver *receiver)
{
	if (receiver->joined < receiver->n_memberships)
		return;
	receiver->shared->complete++;
	ws_conn_only_listens(&receiver->client.conn);
}

static void on_welcomed(struct client *client)
{
	struct receiver *receiver = receiver_of(client);

	for (uint32_t i = 0; i < receiver->n_memberships; i++)
		if (!is_asked_for(receiver, &receiver->memberships[i]))
			subscribe(receiver, &receiver->memberships[i]);
	count_complete(receiver);
	join_missing(receiver);
}

static void on_session_ended(struct client *client)
{
	struct receiver *receiver = receiver_of(client);

	reactor_timer_cancel(&receiver->rejoin);
	receiver->shared->ended++;
	receiver->shared->complete -= receiver->joined == receiver->n_memberships;
	receiver->joined = 0;
	for (uint32_t i = 0; i < receiver->n_memberships; i++) {
		struct membership *membership = &receiver->memberships[i];
		if (membership->subscription)
			ledger_unsubscribe(receiver->shared->ledger, membership->subscription, reactor_of(receiver)->now_us);
		membership->subscription = NULL;
	}
}

/* --- what is heard ------------------------------------------------------------------------------------------------ */

static void on_answer(struct receiver *receiver, const struct heard *heard)
{
	if (heard->ref >= receiver->n_memberships || receiver->memberships[heard->ref].subscription)
		return;
	if (!heard->ok) {
		reactor_timer_set(reactor_of(receiver), &receiver->rejoin, REJOIN_MS);
		return;
	}
	subscribe(receiver, &receiver->memberships[heard->ref]);
	count_complete(receiver);
}

/* All that was asked for is granted. */
static void on_synced(struct receiver *receiver)
{
	for (uint32_t i = 0; i < receiver->n_memberships; i++)
		on_answer(receiver, &(struct heard){.ok = true, .ref = i});
}

/* The subscription that a push belongs to by the words around it. NULL: none. */
static struct subscription *addressed(const struct receiver *receiver, uint32_t target, const struct payload *payload)
{
	if (target == TARGET_SELF)
		target = dialect_of(receiver)->rooms + receiver->user;
	else if (target == TARGET_UNNAMED)
		target = payload->id.target;
	for (uint32_t i = 0; i < receiver->n_memberships; i++)
		if (receiver->memberships[i].target == target)
			return receiver->memberships[i].subscription;
	return NULL;
}

static void on_push(struct receiver *receiver, const struct heard *heard)
{
	const struct dialect *dialect = dialect_of(receiver);
	struct receivers *shared = receiver->shared;
	uint64_t now_us = reactor_of(receiver)->now_us;
	struct payload payload;

	if (!heard->payload.p || !payload_read(heard->payload, dialect->run, dialect->rooms, &payload)) {
		shared->foreign++;
		return;
	}
	shared->received++;
	shared->received_us = now_us;
	histogram_add_since(shared->delivery, payload.published_us, shared->clients->ws.came_us);
	struct subscription *subscription = addressed(receiver, heard->target, &payload);
	if (!subscription)
		ledger_misrouted(shared->ledger, &payload.id, receiver->client.session);
	else if (ledger_received(shared->ledger, subscription, &payload.id, now_us) != 0)
		reactor_fail(reactor_of(receiver), -ENOMEM);
}

static void on_heard(struct client *client, const struct heard *heard)
{
	struct receiver *receiver = receiver_of(client);

	if (heard->kind == HEARD_PUSH)
		on_push(receiver, heard);
	else if (heard->kind == HEARD_ANSWER)
		on_answer(receiver, heard);
	else if (heard->kind == HEARD_SYNCED)
		on_synced(receiver);
}

static const struct client_handler handler = {on_welcomed, on_heard, on_session_ended};

int receiver_init(struct receiver *receiver, struct receivers *shared, uint32_t user, uint32_t i)
{
	const struct dialect *dialect = shared->clients->dialect;
	const uint32_t *rooms = shared->rooms_of + (size_t)user * shared->rooms_per_user;

	*receiver = (struct receiver){.shared = shared, .rejoin.fn = on_rejoin, .user = user};
	receiver->user_name = bench_user(dialect->run.p, user);
	receiver->room_name = bench_room(dialect->run.p, shared->rooms_per_user ? rooms[0] : 0);
	const struct url_names names = {.room = receiver->room_name.text, .user = receiver->user_name.text};
	client_init(&receiver->client, shared->clients, &shared->clients->urls, &handler, names, i);
	receiver->memberships = calloc(shared->rooms_received + 1, sizeof(*receiver->memberships));
	if (!receiver->memberships)
		return -ENOMEM;
	for (uint32_t k = 0; k < shared->rooms_received; k++)
		receiver->memberships[receiver->n_memberships++].target = rooms[k];
	if (shared->user_received)
		receiver->memberships[receiver->n_memberships++].target = dialect->rooms + user;
	return 0;
}

void receiver_deinit(struct receiver *receiver)
{
	client_deinit(&receiver->client);
	reactor_timer_cancel(&receiver->rejoin);
	free(receiver->memberships);
}
