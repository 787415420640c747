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

/* --- sessions ----------------------------------------------------------------------------------------------------- */

static struct subscription *subscribe(struct receiver *receiver, uint32_t target)
{
	struct subscription *s =
	    ledger_subscribe(receiver->shared->ledger, target, receiver->client.session, reactor_of(receiver)->now_us);
	if (!s)
		reactor_fail(reactor_of(receiver), -ENOMEM);
	return s;
}

static void join(struct receiver *receiver, uint32_t i)
{
	char text[2 * BENCH_NAME_MAX];
	const struct bench_name room = bench_room(receiver->shared->run, receiver->memberships[i].room);

	snprintf(text, sizeof(text), "{\"op\":\"join\",\"ref\":%u,\"room\":\"%s\"}", i, room.text);
	client_send(&receiver->client, str_from(text));
}

static void join_missing(struct receiver *receiver)
{
	for (uint32_t i = 0; i < receiver->shared->rooms_per_user; i++)
		if (!receiver->memberships[i].subscription)
			join(receiver, i);
}

static void on_rejoin(struct timer *timer)
{
	struct receiver *receiver = GRID_CONTAINER_OF(timer, struct receiver, rejoin);

	receiver->shared->join_retries++;
	join_missing(receiver);
}

static void count_complete(struct receiver *receiver)
{
	receiver->shared->complete += receiver->joined == receiver->shared->rooms_per_user;
}

static void on_welcomed(struct client *client)
{
	struct receiver *receiver = receiver_of(client);

	receiver->notifications = subscribe(receiver, receiver->shared->rooms + receiver->user);
	count_complete(receiver);
	join_missing(receiver);
}

static void unsubscribe(struct receiver *receiver, struct subscription **subscriptionp)
{
	if (*subscriptionp)
		ledger_unsubscribe(receiver->shared->ledger, *subscriptionp, reactor_of(receiver)->now_us);
	*subscriptionp = NULL;
}

static void on_session_ended(struct client *client)
{
	struct receiver *receiver = receiver_of(client);

	reactor_timer_cancel(&receiver->rejoin);
	receiver->shared->complete -= receiver->joined == receiver->shared->rooms_per_user;
	receiver->joined = 0;
	unsubscribe(receiver, &receiver->notifications);
	for (uint32_t i = 0; i < receiver->shared->rooms_per_user; i++)
		unsubscribe(receiver, &receiver->memberships[i].subscription);
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

static void on_answer(struct receiver *receiver, const struct scan *frame)
{
	uint64_t i = scan_number(frame->ref);

	if (!frame->ref.p || i >= receiver->shared->rooms_per_user || receiver->memberships[i].subscription)
		return;
	if (!str_eq(frame->op, STR("ok"))) {
		reactor_timer_set(reactor_of(receiver), &receiver->rejoin, REJOIN_MS);
		return;
	}
	receiver->memberships[i].subscription = subscribe(receiver, receiver->memberships[i].room);
	receiver->joined++;
	count_complete(receiver);
}

/* The subscription that a push belongs to by its own words: its op, and the room it names. NULL: none. */
static struct subscription *addressed(const struct receiver *receiver, const struct scan *frame)
{
	uint32_t room;

	if (str_eq(frame->op, STR("notify")))
		return receiver->notifications;
	if (!bench_room_number(receiver->shared->run, frame->room, &room))
		return NULL;
	for (uint32_t i = 0; i < receiver->shared->rooms_per_user; i++)
		if (receiver->memberships[i].room == room)
			return receiver->memberships[i].subscription;
	return NULL;
}

static void on_push(struct receiver *receiver, const struct scan *frame)
{
	struct receivers *shared = receiver->shared;
	uint64_t now_us = reactor_of(receiver)->now_us;
	struct payload payload;

	if (!frame->data.p || !payload_read(frame->data, str_from(shared->run), shared->rooms, &payload)) {
		shared->foreign++;
		return;
	}
	shared->received++;
	histogram_add(shared->delivery, now_us - payload.published_us);
	struct subscription *subscription = addressed(receiver, frame);
	if (!subscription)
		ledger_misrouted(shared->ledger, &payload.id, receiver->client.session);
	else if (ledger_received(shared->ledger, subscription, &payload.id, now_us) != 0)
		reactor_fail(reactor_of(receiver), -ENOMEM);
}

static void on_frame(struct client *client, const struct scan *frame)
{
	struct receiver *receiver = receiver_of(client);

	if (str_eq(frame->op, STR("message")) || str_eq(frame->op, STR("notify")))
		on_push(receiver, frame);
	else if (str_eq(frame->op, STR("ok")) || str_eq(frame->op, STR("error")))
		on_answer(receiver, frame);
}

static const struct client_handler handler = {on_welcomed, on_frame, on_session_ended};

int receiver_init(struct receiver *receiver, struct receivers *shared, uint32_t user, uint32_t i)
{
	const struct bench_name name = bench_user(shared->run, user);

	*receiver = (struct receiver){.shared = shared, .rejoin.fn = on_rejoin, .user = user};
	snprintf(receiver->query, sizeof(receiver->query), "user=%s", name.text);
	client_init(&receiver->client, shared->clients, &handler, receiver->query, i);
	receiver->memberships = calloc(shared->rooms_per_user + 1, sizeof(*receiver->memberships));
	if (!receiver->memberships)
		return -ENOMEM;
	for (uint32_t k = 0; k < shared->rooms_per_user; k++)
		receiver->memberships[k].room = shared->rooms_of[user * shared->rooms_per_user + k];
	return 0;
}

void receiver_deinit(struct receiver *receiver)
{
	client_deinit(&receiver->client);
	reactor_timer_cancel(&receiver->rejoin);
	free(receiver->memberships);
}
