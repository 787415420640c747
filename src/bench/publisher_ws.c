#include "bench/publisher_ws.h"

#include <errno.h>
#include <stdlib.h>

#define UNSENT_MAX (256u << 10) /* bytes on one link that the server does not take */

static struct publisher_ws *of_base(struct publisher *base)
{
	return GRID_CONTAINER_OF(base, struct publisher_ws, base);
}

static struct publisher_link *link_of(struct client *client)
{
	return GRID_CONTAINER_OF(client, struct publisher_link, client);
}

static struct clients *shared_of(const struct publisher_ws *publisher)
{
	return publisher->links[0].client.shared;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* Where nothing is answered no window holds it up: what stands in the socket's buffer does. */
static bool ready(const struct publisher *base)
{
	const struct publisher_ws *publisher = of_base((struct publisher *)base);

	if (publisher->n_welcomed < publisher->n_links)
		return false;
	for (uint32_t i = 0; i < publisher->n_links; i++)
		if (ws_conn_unsent(&publisher->links[i].client.conn) > UNSENT_MAX)
			return false;
	return true;
}

static void await_sync(struct publisher_ws *publisher, uint32_t slot)
{
	uint32_t at = (publisher->first_unsynced + publisher->n_unsynced++) % publisher->base.window;

	publisher->unsynced[at] = (struct publisher_unsynced){slot, publisher->syncs_sent};
}

static void send_message(struct publisher *base, uint32_t slot, const struct message_id *id, struct str payload)
{
	struct publisher_ws *publisher = of_base(base);
	struct publisher_link *link = &publisher->links[publisher->n_links > 1 ? id->target - publisher->first_target : 0];
	struct clients *shared = shared_of(publisher);
	const struct dialect *dialect = shared->dialect;

	buf_reset(&publisher->frame);
	dialect->ops->put_publish(dialect, id->target, slot, payload, &publisher->frame);
	if (publisher->frame.failed) {
		reactor_fail(shared->ws.reactor, -ENOMEM);
		return;
	}
	ws_conn_send(&link->client.conn, buf_str(&publisher->frame));
	if (dialect->ops->answers == DIALECT_ANSWERS_NONE)
		publisher_answered(base, slot, PUBLISHER_ACKNOWLEDGED, shared->ws.reactor->now_us);
	else if (dialect->ops->answers == DIALECT_ANSWERS_SYNC)
		await_sync(publisher, slot);
}

static void flush(struct publisher *base)
{
	struct publisher_ws *publisher = of_base(base);
	const struct dialect_ops *ops = shared_of(publisher)->dialect->ops;

	if (ops->answers == DIALECT_ANSWERS_SYNC) {
		ws_conn_send(&publisher->links[0].client.conn, str_from(ops->sync));
		publisher->syncs_sent++;
	}
	for (uint32_t i = 0; i < publisher->n_links; i++)
		ws_conn_flush(&publisher->links[i].client.conn);
}

const struct publisher_ops publisher_ws_ops = {ready, send_message, flush};

/* --- what is heard ------------------------------------------------------------------------------------------------ */

static void on_welcomed(struct client *client)
{
	link_of(client)->publisher->n_welcomed++;
}

static void on_synced(struct publisher_ws *publisher)
{
	uint32_t sync = publisher->syncs_heard++;

	while (publisher->n_unsynced && publisher->unsynced[publisher->first_unsynced].sync == sync) {
		uint32_t slot = publisher->unsynced[publisher->first_unsynced].slot;
		publisher->first_unsynced = (publisher->first_unsynced + 1) % publisher->base.window;
		publisher->n_unsynced--;
		publisher_answered(&publisher->base, slot, PUBLISHER_ACKNOWLEDGED, shared_of(publisher)->ws.came_us);
	}
}

static void on_heard(struct client *client, const struct heard *heard)
{
	struct publisher_ws *publisher = link_of(client)->publisher;

	if (heard->kind == HEARD_ANSWER)
		publisher_answered(&publisher->base, heard->ref, heard->ok ? PUBLISHER_ACKNOWLEDGED : PUBLISHER_REFUSED,
		                   client->shared->ws.came_us);
	else if (heard->kind == HEARD_SYNCED)
		on_synced(publisher);
}

static void on_ended(struct client *client)
{
	struct publisher_ws *publisher = link_of(client)->publisher;

	publisher->n_welcomed--;
	publisher->n_unsynced = 0;
	publisher->syncs_heard = publisher->syncs_sent;
	publisher_lost(&publisher->base);
}

static const struct client_handler handler = {on_welcomed, on_heard, on_ended};

/* --- making and freeing ------------------------------------------------------------------------------------------- */

static void init_link(struct publisher_ws *publisher, struct clients *clients, uint32_t target, uint32_t i)
{
	const struct dialect *dialect = clients->dialect;
	struct publisher_link *link = &publisher->links[publisher->n_links++];
	bool room = target < dialect->rooms;

	link->publisher = publisher;
	link->room = bench_room(dialect->run.p, room ? target : 0);
	link->user = room ? bench_publisher(dialect->run.p, publisher->base.number) : dialect_target(dialect, target);
	const struct url_names names = {.room = link->room.text, .user = link->user.text};
	client_init(&link->client, clients, &clients->publish_urls, &handler, names, i);
}

int publisher_ws_init(struct publisher_ws *publisher, struct clients *clients, struct publisher_targets targets,
                      uint32_t i)
{
	publisher->frame = BUF_INIT;
	publisher->first_target = targets.first;
	publisher->unsynced = calloc(publisher->base.window, sizeof(*publisher->unsynced));
	publisher->links = calloc(targets.n, sizeof(*publisher->links));
	if (!publisher->unsynced || !publisher->links)
		return -ENOMEM;
	for (uint32_t k = 0; k < targets.n; k++)
		init_link(publisher, clients, targets.first + k, i + k);
	return 0;
}

void publisher_ws_start(struct publisher_ws *publisher)
{
	for (uint32_t k = 0; k < publisher->n_links; k++)
		client_start(&publisher->links[k].client);
}

void publisher_ws_deinit(struct publisher_ws *publisher)
{
	for (uint32_t k = 0; k < publisher->n_links; k++)
		client_deinit(&publisher->links[k].client);
	free(publisher->links);
	free(publisher->unsynced);
	buf_deinit(&publisher->frame);
}
