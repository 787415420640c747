#include "net/ws.h"

#include <stdlib.h>

#include "base/clock.h"
#include "core/session.h"
#include "net/ws_impl.h"
#include "wire/utf8.h"

/* Size of one recv and, per connection, of libwebsockets' buffer: small, because most connections are idle. */
#define RX_BUFFER 1024

/* ---- from the door to a session ---- */

/* The request libwebsockets gets to see: what we have checked, in our words, and nothing else. */
static bool put_request(struct buf *out, const struct arrival *arrival)
{
	buf_printf(out,
	           "GET " WEBSOCKET_PATH " HTTP/1.1\r\nHost: grid\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
	           arrival->key);
	if (arrival->subprotocol)
		buf_puts(out, "Sec-WebSocket-Protocol: " SUBPROTOCOL "\r\n");
	buf_puts(out, "\r\n");
	buf_put_str(out, arrival->rest);
	return !out->failed;
}

void ws_adopt(struct server *server, int fd, struct arrival *arrival)
{
	GRID_CLEANUP(buf_deinit) struct buf request = BUF_INIT;

	if (!put_request(&request, arrival)) {
		close(fd);
		return;
	}
	/* Reads the request at once, so ESTABLISHED comes from inside this call; it closes `fd` when it fails. */
	server->arriving = arrival;
	(void)lws_adopt_socket_vhost_readbuf(server->vhost, fd, request.p, request.n);
	server->arriving = NULL;
}

static int on_established(struct lws *wsi, struct conn *c)
{
	struct server *server = lws_context_user(lws_get_context(wsi));
	struct now now = clock_now();

	if (!server->arriving || server->dying)
		return -1;
	c->wsi = wsi;
	c->server = server;
	c->fd = lws_get_socket_fd(wsi);
	c->heard_ms = now.mono_ms;
	c->ending = ENDING_LOST;
	conn_set_state(c, CONN_OPEN);
	counter_add(&server->counters.established, 1);
	counter_add(&server->counters.connections, 1);
	conn_await_heartbeat(c, now.mono_ms);
	c->session = session_open(server->hub, c, &server->arriving->handshake, now);
	if (!c->session) {
		conn_set_state(c, CONN_KILLED);
		return -1;
	}
	return 0;
}

/* ---- messages ---- */

static void deliver(struct conn *c, struct str message, uint64_t now_ms)
{
	struct now now = {.mono_ms = now_ms, .unix_ms = clock_unix_ms()};

	counter_add(&c->server->counters.frames_in, 1);
	if (utf8_valid(message.p, message.n))
		session_receive(c->session, message, now);
	else
		conn_close(c, CLOSE_BAD_UTF8, "not UTF-8");
}

/* One piece of a message: as much as one recv brought, or less. Whole messages are passed on where they lie. */
static void on_receive(struct conn *c, const char *in, size_t len)
{
	size_t limit = (size_t)c->server->env.core->limits.frame;
	struct str piece = {in ? in : "", len};

	c->heard_ms = clock_mono_ms();
	counter_add(&c->server->counters.bytes_in, len);
	if (c->state != CONN_OPEN)
		return;
	if (lws_frame_is_binary(c->wsi)) {
		conn_close(c, CLOSE_NOT_TEXT, "text frames only");
		return;
	}
	/* The frame says how much is still to come: no need to wait for it. */
	size_t rest = lws_remaining_packet_payload(c->wsi);
	if (rest > limit || c->message.n + len + rest > limit) {
		buf_deinit(&c->message);
		conn_close(c, CLOSE_TOO_BIG, "message too big");
		return;
	}
	bool last = lws_is_final_fragment(c->wsi);
	if (last && c->message.n == 0) {
		deliver(c, piece, c->heard_ms);
		return;
	}
	buf_put_str(&c->message, piece);
	if (c->message.failed) {
		conn_kill(c, true);
	} else if (last) {
		struct buf whole = c->message;
		c->message = BUF_INIT;
		deliver(c, buf_str(&whole), c->heard_ms);
		buf_deinit(&whole);
	}
}

/* ---- the end ---- */

/* Non-zero: hang up without more words. */
static int on_peer_close(struct conn *c)
{
	/* Answers to what came just before it, or our own close frame; nothing may follow. */
	conn_send(c);
	if (c->state != CONN_OPEN)
		return -1;
	c->ending = ENDING_CLIENT;
	conn_answering(c);
	return 0;
}

static void on_gone(struct conn *c)
{
	struct session *session = c->session;

	if (c->state == CONN_NEW)
		return;
	conn_set_state(c, CONN_NEW);
	c->session = NULL;
	wheel_cancel(&c->due);
	buf_deinit(&c->message);
	c->close_frame = msgbuf_unref(c->close_frame);
	counter_sub(&c->server->counters.connections, 1);
	counter_add(&c->server->counters.endings[c->ending], 1);
	if (session)
		session_closed(session, clock_now());
}

/* libwebsockets' some 120 reasons, of which these matter. `user` is our struct conn, NULL outside connections. */
static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct conn *c = user;

	switch ((int)reason) {
	case LWS_CALLBACK_ESTABLISHED:
		return on_established(wsi, c);
	case LWS_CALLBACK_RECEIVE:
		on_receive(c, in, len);
		return 0;
	case LWS_CALLBACK_RECEIVE_PONG:
		c->heard_ms = clock_mono_ms();
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		c->wrote = true;
		conn_send(c);
		return 0;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return on_peer_close(c);
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
		if (c && c->state == CONN_OPEN) {
			if (lws_get_close_length(wsi) > 0) /* it has a close frame to send: 1002 */
				c->ending = ENDING_BROKEN;
			conn_answering(c);
		}
		return 0;
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_WSI_DESTROY:
		if (c)
			on_gone(c);
		return 0;
	case LWS_CALLBACK_HTTP:
		return -1; /* only our own upgrade requests get here */
	default:
		return 0;
	}
}

const struct lws_protocols ws_protocols[] = {
    {
        .name = SUBPROTOCOL,
        .callback = on_event,
        .per_session_data_size = sizeof(struct conn),
        .rx_buffer_size = RX_BUFFER,
        .tx_packet_size = 1 << 26, /* all of it in one send */
    },
    {.name = NULL},
};
