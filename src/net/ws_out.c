/* What goes out: frames of the session, copied together into few sends. */
#include <sys/socket.h>

#include "core/session.h"
#include "net/ws_impl.h"

/* libwebsockets keeps what the socket did not take, without bound: so nothing is written while it holds something, and
 * the session's own queue, which has a limit, is the one that grows. */
static bool may_write(const struct conn *c)
{
	return (c->state == CONN_OPEN || c->state == CONN_CLOSING) && !c->server->dying && !lws_partial_buffered(c->wsi);
}

/* libwebsockets gets what the socket does not take at once, and keeps it. What it does on the way to the same send()
 * took 230 of 850 instructions for a delivery to a room, and half a dozen cache lines of each connection. */
static void write_bytes(struct conn *c, unsigned char *data, size_t n)
{
	counter_add(&c->server->counters.writes, 1);
	counter_add(&c->server->counters.bytes_out, n);
	ssize_t sent = send(c->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	size_t done = sent > 0 ? (size_t)sent : 0;
	if (done < n && lws_write(c->wsi, data + done, n - done, LWS_WRITE_RAW) < 0)
		conn_kill(c, false);
}

/* The close frame behind `n` bytes in the scratch, if it is its turn and there is room. */
static size_t add_close_frame(struct conn *c, unsigned char *scratch, size_t n)
{
	if (c->state != CONN_CLOSING || session_has_output(c->session) || n + c->close_frame->len > WS_SCRATCH)
		return n;
	memcpy(scratch + n, c->close_frame->data, c->close_frame->len);
	n += c->close_frame->len;
	c->close_frame = msgbuf_unref(c->close_frame);
	conn_set_state(c, CONN_CLOSE_SENT);
	return n;
}

/* One that is alone, or larger than the scratch: from where all its receivers share it. */
static void write_frame(struct conn *c)
{
	struct msgbuf *frame = session_take(c->session);
	if (frame)
		write_bytes(c, frame->data, frame->len);
	msgbuf_unref(frame);
}

void conn_send(struct conn *c)
{
	if (!may_write(c))
		return; /* WRITEABLE comes again when libwebsockets has sent what it holds */
	unsigned char *scratch = c->server->scratch + LWS_PRE;
	/* One that is alone is not copied, unless our close frame goes with it. */
	bool alone = c->state == CONN_OPEN && session_has_one_frame(c->session);
	size_t n = alone ? 0 : session_gather(c->session, scratch, WS_SCRATCH);
	if (n == 0 && session_has_output(c->session)) {
		write_frame(c);
	} else {
		n = add_close_frame(c, scratch, n);
		if (n > 0)
			write_bytes(c, scratch, n);
	}
	if (c->state == CONN_CLOSING || (c->state == CONN_OPEN && session_has_output(c->session)))
		lws_callback_on_writable(c->wsi);
}

void ws_flush(void *conn)
{
	conn_send(conn);
}
