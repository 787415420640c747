/* How long things may take: heartbeats, closing, and dropping those who do not play along. */
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "core/session.h"
#include "net/sock.h"
#include "net/ws_impl.h"

#define LOOK_MS 2000         /* closing: progress at least so often */
#define CLOSE_MAX_MS 30000   /* closing, all of it */
#define ANSWER_MAX_MS 5000   /* waiting for the peer's close frame */
#define CLOSE_REASON_MAX 123 /* RFC 6455, 5.5.1: 125 with the code */

static const char *const state_names[] = {"new", "open", "closing", "close_sent", "answering", "killed"};

void conn_set_state(struct conn *c, enum conn_state state)
{
	static const uint8_t allowed[] = {
	    [CONN_NEW] = 1 << CONN_OPEN,
	    [CONN_OPEN] = 1 << CONN_CLOSING | 1 << CONN_ANSWERING | 1 << CONN_KILLED | 1 << CONN_NEW,
	    [CONN_CLOSING] = 1 << CONN_CLOSE_SENT | 1 << CONN_KILLED | 1 << CONN_NEW,
	    [CONN_CLOSE_SENT] = 1 << CONN_KILLED | 1 << CONN_NEW,
	    [CONN_ANSWERING] = 1 << CONN_KILLED | 1 << CONN_NEW,
	    [CONN_KILLED] = 1 << CONN_NEW,
	};
	GRID_ASSERT(allowed[c->state] & (1 << state));
	log_debug("ws.state", "fd=%d %s -> %s", c->fd, state_names[c->state], state_names[state]);
	c->state = (uint8_t)state;
}

/* ---- heartbeat ---- */

void conn_await_heartbeat(struct conn *c, uint64_t now_ms)
{
	uint64_t interval = (uint64_t)c->server->env.core->heartbeat.interval;
	uint64_t idle = (uint64_t)c->server->env.core->heartbeat.idle_timeout;
	uint64_t due = c->heard_ms + interval;

	if (due <= now_ms) /* pinged just now */
		due = min_u64(now_ms + interval, c->heard_ms + idle);
	wheel_set(&c->server->conns, &c->due, due);
}

/* Client's pings are answered by libwebsockets without a word to us, and one we do not read from may well have sent
 * something: the kernel knows. False: the peer is gone. */
static bool ask_kernel(struct conn *c, uint64_t now_ms)
{
	struct sock_state state;
	if (!sock_tcp_state(c->fd, &state))
		return true;
	if (state.silent_ms <= now_ms && now_ms - state.silent_ms > c->heard_ms)
		c->heard_ms = now_ms - state.silent_ms;
	return state.alive;
}

static void drop_idle(struct conn *c)
{
	log_debug("ws.idle", "fd=%d %s", c->fd, session_describe(c->session));
	counter_add(&c->server->counters.idle_drops, 1);
	c->ending = ENDING_IDLE;
	conn_kill(c, false);
}

static void heartbeat(struct conn *c, uint64_t now_ms)
{
	uint64_t interval = (uint64_t)c->server->env.core->heartbeat.interval;
	uint64_t idle = (uint64_t)c->server->env.core->heartbeat.idle_timeout;
	bool alive = ask_kernel(c, now_ms);

	/* One we have paused cannot be blamed for silence, only for being gone. */
	if (c->paused ? !alive : now_ms - c->heard_ms >= idle) {
		drop_idle(c);
		return;
	}
	if (now_ms - c->heard_ms >= interval) {
		counter_add(&c->server->counters.pings, 1);
		session_send(c->session, c->server->ping);
	}
	if (c->state != CONN_OPEN)
		return; /* the ping was one too many for its queue */
	if (c->paused)
		wheel_set(&c->server->conns, &c->due, now_ms + interval);
	else
		conn_await_heartbeat(c, now_ms);
}

/* ---- closing ---- */

static struct msgbuf *close_frame(uint16_t code, const char *reason)
{
	size_t n = reason ? strnlen(reason, CLOSE_REASON_MAX) : 0;
	struct msgbuf *m = msgbuf_new(4 + n);
	if (!m)
		return NULL;
	m->data[0] = 0x88; /* FIN, close */
	m->data[1] = (unsigned char)(2 + n);
	m->data[2] = (unsigned char)(code >> 8);
	m->data[3] = (unsigned char)code;
	if (n)
		memcpy(m->data + 4, reason, n);
	return m;
}

void conn_close(struct conn *c, uint16_t code, const char *reason)
{
	if (c->state != CONN_OPEN)
		return;
	c->ending = (uint8_t)ending_of_code(code);
	c->close_frame = code ? close_frame(code, reason) : NULL;
	if (!c->close_frame) {
		conn_kill(c, true);
		return;
	}
	conn_set_state(c, CONN_CLOSING);
	buf_deinit(&c->message);
	ws_pause(c, false); /* what it still sends is thrown away; its close frame is among it */
	uint64_t now_ms = clock_mono_ms();
	c->give_up_ms = now_ms + CLOSE_MAX_MS;
	c->progress = sock_progress(c->fd);
	c->wrote = false;
	wheel_set(&c->server->conns, &c->due, now_ms + LOOK_MS);
	lws_callback_on_writable(c->wsi);
}

void conn_answering(struct conn *c)
{
	conn_set_state(c, CONN_ANSWERING);
	buf_deinit(&c->message);
	wheel_set(&c->server->conns, &c->due, clock_mono_ms() + ANSWER_MAX_MS);
}

void conn_kill(struct conn *c, bool reset)
{
	if (c->state == CONN_KILLED || c->state == CONN_NEW)
		return;
	conn_set_state(c, CONN_KILLED);
	wheel_cancel(&c->due);
	if (reset)
		sock_reset_on_close(c->fd);
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	/* Its timers on a guest loop are looked at only after one of its sockets had an event. */
	lws_cancel_service(lws_get_context(c->wsi));
}

static bool moves(struct conn *c)
{
	uint64_t progress = sock_progress(c->fd);
	/* Only a socket that is not TCP can be busy without the figure growing: see sock_progress(). */
	struct sock_state state;
	bool moved = progress > c->progress || (c->wrote && !sock_tcp_state(c->fd, &state));
	c->progress = progress;
	c->wrote = false;
	return moved;
}

/* Every two seconds while closing: does the peer take what we send, and when it has it all, does it answer? */
static void look(struct conn *c, uint64_t now_ms)
{
	bool all_sent = c->state == CONN_CLOSE_SENT && !lws_partial_buffered(c->wsi) && sock_all_sent(c->fd);

	if (all_sent) {
		c->give_up_ms = min_u64(c->give_up_ms, now_ms + ANSWER_MAX_MS - LOOK_MS);
		if (now_ms >= c->give_up_ms) {
			counter_add(&c->server->counters.unanswered, 1);
			conn_kill(c, false);
			return;
		}
	} else if (!moves(c) || now_ms >= c->give_up_ms) {
		counter_add(&c->server->counters.resets, 1);
		log_info("ws.reset", "fd=%d %s: does not read", c->fd, session_describe(c->session));
		conn_kill(c, true);
		return;
	}
	wheel_set(&c->server->conns, &c->due, min_u64(now_ms + LOOK_MS, c->give_up_ms));
}

void ws_due(struct wheel_entry *entry, uint64_t now_ms, void *server)
{
	struct conn *c = GRID_CONTAINER_OF(entry, struct conn, due);
	(void)server;

	switch ((enum conn_state)c->state) {
	case CONN_OPEN:
		heartbeat(c, now_ms);
		break;
	case CONN_CLOSING:
	case CONN_CLOSE_SENT:
		look(c, now_ms);
		break;
	case CONN_ANSWERING:
		conn_kill(c, true);
		break;
	case CONN_NEW:
	case CONN_KILLED:
		break;
	}
}

/* ---- struct transport ---- */

void ws_close(void *conn, uint16_t code, const char *reason)
{
	conn_close(conn, code, reason);
}

void ws_pause(void *conn, bool paused)
{
	struct conn *c = conn;
	if (c->paused == paused || c->state == CONN_KILLED || c->state == CONN_NEW)
		return;
	c->paused = paused;
	if (!paused)
		c->heard_ms = clock_mono_ms(); /* it could not be heard */
	(void)lws_rx_flow_control(c->wsi, !paused);
}
