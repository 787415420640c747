#include "bench/publisher_ws.h"

#include <errno.h>

static struct publisher_ws *of_base(struct publisher *base)
{
	return GRID_CONTAINER_OF(base, struct publisher_ws, base);
}

static struct publisher_ws *of_client(struct client *client)
{
	return GRID_CONTAINER_OF(client, struct publisher_ws, client);
}

static bool ready(const struct publisher *base)
{
	return of_base((struct publisher *)base)->client.state == CLIENT_WELCOMED;
}

static void send_message(struct publisher *base, uint32_t slot, const struct message_id *id, struct str payload)
{
	struct publisher_ws *publisher = of_base(base);
	const char *run = base->load->run.p;
	bool room = id->target < base->load->rooms;
	struct bench_name name = room ? bench_room(run, id->target) : bench_user(run, id->target - base->load->rooms);

	buf_reset(&publisher->frame);
	buf_printf(&publisher->frame, "{\"op\":\"publish\",\"ref\":%u,\"%s\":\"%s\",\"data\":", slot,
	           room ? "room" : "user", name.text);
	buf_put_str(&publisher->frame, payload);
	buf_putc(&publisher->frame, '}');
	if (publisher->frame.failed)
		reactor_fail(publisher->client.shared->ws.reactor, -ENOMEM);
	else
		ws_conn_send(&publisher->client.conn, buf_str(&publisher->frame));
}

static void flush(struct publisher *base)
{
	ws_conn_flush(&of_base(base)->client.conn);
}

const struct publisher_ops publisher_ws_ops = {ready, send_message, flush};

static void on_welcomed(struct client *client)
{
	(void)client; /* publisher_turn() asks whether it is ready */
}

static void on_frame(struct client *client, const struct scan *frame)
{
	struct publisher_ws *publisher = of_client(client);
	bool ok = str_eq(frame->op, STR("ok"));

	if (frame->ref.p && (ok || str_eq(frame->op, STR("error"))))
		publisher_answered(&publisher->base, (uint32_t)scan_number(frame->ref),
		                   ok ? PUBLISHER_ACKNOWLEDGED : PUBLISHER_REFUSED, client->shared->ws.reactor->now_us);
}

static void on_ended(struct client *client)
{
	publisher_lost(&of_client(client)->base);
}

static const struct client_handler handler = {on_welcomed, on_frame, on_ended};

void publisher_ws_init(struct publisher_ws *publisher, struct clients *clients, uint32_t i)
{
	const struct bench_name name = bench_publisher(publisher->base.load->run.p, publisher->base.number);

	publisher->frame = BUF_INIT;
	snprintf(publisher->query, sizeof(publisher->query), "user=%s", name.text);
	client_init(&publisher->client, clients, &handler, publisher->query, i);
}

void publisher_ws_deinit(struct publisher_ws *publisher)
{
	client_deinit(&publisher->client);
	buf_deinit(&publisher->frame);
}
