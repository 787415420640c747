#include "bench/ws_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int ws_shared_init(struct ws_shared *shared, struct reactor *reactor, uint64_t seed)
{
	*shared = (struct ws_shared){.reactor = reactor, .dice = dice_of(seed), .input = malloc(WS_READ_MAX)};
	return shared->input ? 0 : -ENOMEM;
}

void ws_shared_deinit(struct ws_shared *shared)
{
	free(shared->input);
	shared->input = NULL;
}

static void on_ready(struct watch *watch, uint32_t events);

void ws_conn_init(struct ws_conn *conn, struct ws_shared *shared, const struct ws_handler *handler)
{
	*conn = (struct ws_conn){.watch = {.fd = -1, .fn = on_ready}, .shared = shared, .handler = handler};
}

static void drop(struct ws_conn *conn)
{
	int fd = conn->watch.fd;

	if (fd >= 0) {
		reactor_unwatch(conn->shared->reactor, &conn->watch);
		close(fd);
	}
	conn->state = WS_STATE_CLOSED;
	buf_deinit(&conn->in);
	buf_deinit(&conn->out);
	ws_reader_deinit(&conn->reader);
	conn->sent = 0;
	conn->wants_out = false;
}

void ws_conn_deinit(struct ws_conn *conn)
{
	drop(conn);
}

static void end(struct ws_conn *conn, const struct ws_end *why)
{
	const struct ws_end copy = *why;

	drop(conn);
	conn->handler->ended(conn, &copy);
}

void ws_conn_abort(struct ws_conn *conn, int error)
{
	end(conn, &(struct ws_end){.code = WS_CODE_LOST, .error = error});
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int open_socket(const struct url *url, const struct sockaddr_in *source)
{
	const int one = 1;
	int fd = socket(url->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* The port is chosen when the peer is known: then each source address has all ports for each peer. */
	bool failed = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 || arrival_watch(fd) != 0 ||
	              (source && (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) != 0 ||
	                          bind(fd, (const struct sockaddr *)source, sizeof(*source)) != 0)) ||
	              (connect(fd, (const struct sockaddr *)&url->addr, url->addr_len) != 0 && errno != EINPROGRESS);
	if (!failed)
		return fd;
	int error = errno;
	close(fd);
	return -error;
}

int ws_conn_open(struct ws_conn *conn, const struct url *url, const struct sockaddr_in *source, const char *target,
                 const char *subprotocol)
{
	GRID_ASSERT(conn->state == WS_STATE_CLOSED);
	ws_key_new(&conn->key, &conn->shared->dice);
	ws_handshake_put(&conn->out, url->authority, target, subprotocol, &conn->key);
	if (conn->out.failed) {
		drop(conn);
		return -ENOMEM;
	}
	int fd = open_socket(url, source);
	int r = fd < 0 ? fd : reactor_watch(conn->shared->reactor, &conn->watch, fd, EPOLLIN | EPOLLOUT);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		drop(conn);
		return r;
	}
	conn->wants_out = true;
	conn->state = WS_STATE_CONNECTING;
	return 0;
}

/* A socket that has answered what it read is taken for one side of a dialogue: it does not acknowledge what it reads,
 * in the hope of an answer that takes the acknowledgement along. That goes out after a few frames instead, from inside
 * the server's send(), which then costs the server a quarter more (1.8 and 2.2 us). One that is told all it needs in
 * the handshake never gets there. Which of the two a client is says nothing about the server, so all are the latter. */
void ws_conn_only_listens(struct ws_conn *conn)
{
	const int one = 1;

	(void)setsockopt(conn->watch.fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void want_out(struct ws_conn *conn, bool wanted)
{
	if (conn->wants_out == wanted)
		return;
	conn->wants_out = wanted;
	reactor_rewatch(conn->shared->reactor, &conn->watch, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void ws_conn_flush(struct ws_conn *conn)
{
	if (conn->state < WS_STATE_HANDSHAKE)
		return;
	while (conn->sent < conn->out.n) {
		ssize_t n = send(conn->watch.fd, conn->out.p + conn->sent, conn->out.n - conn->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			want_out(conn, true);
			return;
		}
		if (n < 0) {
			/* Its end is noticed when it is read, after what may still be there to read: a close frame, say. */
			break;
		}
		conn->sent += (size_t)n;
	}
	buf_reset(&conn->out);
	conn->sent = 0;
	want_out(conn, false);
}

static void queue(struct ws_conn *conn, enum ws_opcode opcode, struct str payload)
{
	ws_put(&conn->out, opcode, payload, (uint32_t)(dice_next(&conn->shared->dice) >> 32));
	if (conn->out.failed)
		reactor_fail(conn->shared->reactor, -ENOMEM);
}

void ws_conn_send(struct ws_conn *conn, struct str text)
{
	GRID_ASSERT(conn->state == WS_STATE_OPEN);
	queue(conn, WS_TEXT, text);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void on_connected(struct ws_conn *conn)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(conn->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error) {
		ws_conn_abort(conn, error);
		return;
	}
	conn->state = WS_STATE_HANDSHAKE;
	ws_conn_flush(conn);
}

/* Answers with the same code and is done: whoever sent it closes the connection (RFC 6455 section 5.5.1), and waiting
 * for that would tell us nothing. */
static void on_close(struct ws_conn *conn, struct str payload)
{
	const struct ws_end why = {.code = ws_close_code(payload)};

	queue(conn, WS_CLOSE, payload);
	ws_conn_flush(conn);
	end(conn, &why);
}

static void on_message(struct ws_conn *conn, const struct ws_message *message)
{
	switch (message->opcode) {
	case WS_TEXT:
	case WS_BINARY:
		conn->handler->text(conn, message->payload);
		break;
	case WS_PING:
		queue(conn, WS_PONG, message->payload);
		ws_conn_flush(conn);
		break;
	case WS_CLOSE:
		on_close(conn, message->payload);
		break;
	case WS_PONG:
	case WS_CONTINUATION:
		break;
	}
}

/* Handshake first, then messages. False: the connection has ended. */
static bool take(struct ws_conn *conn, struct str *in)
{
	struct ws_message message;
	int status, r = 0;

	if (conn->state == WS_STATE_HANDSHAKE) {
		r = ws_handshake_read(in, &conn->key, &status);
		if (r == WS_HANDSHAKE_E_REFUSED) {
			end(conn, &(struct ws_end){.code = WS_CODE_LOST, .error = EPROTO, .status = status});
			return false;
		}
		if (r == WS_HANDSHAKE_E_MORE)
			return true;
		conn->state = WS_STATE_OPEN;
		conn->handler->opened(conn);
	}
	while (conn->state == WS_STATE_OPEN && (r = ws_read(&conn->reader, in, &message)) == 0)
		on_message(conn, &message);
	if (r == -ENOMEM)
		reactor_fail(conn->shared->reactor, r);
	if (conn->state == WS_STATE_OPEN && r != WS_E_MORE)
		ws_conn_abort(conn, EPROTO);
	return conn->state != WS_STATE_CLOSED;
}

/* What is left of the input is kept for the next time. */
static void keep(struct ws_conn *conn, struct str rest)
{
	buf_reset(&conn->in);
	buf_put_str(&conn->in, rest);
	if (conn->in.failed)
		reactor_fail(conn->shared->reactor, -ENOMEM);
}

/* A frame that is too large for the shared room is put together in the connection's own. */
static void on_readable(struct ws_conn *conn)
{
	size_t kept = conn->in.n;
	bool large = kept > WS_READ_MAX / 2;
	char *to = large ? buf_reserve(&conn->in, WS_READ_MAX) : conn->shared->input + kept;

	if (!to) {
		reactor_fail(conn->shared->reactor, -ENOMEM);
		return;
	}
	struct ws_shared *shared = conn->shared;
	ssize_t n = arrival_recv(conn->watch.fd, to, large ? WS_READ_MAX : WS_READ_MAX - kept, &shared->clock,
	                         shared->reactor->now_us, &shared->came_us);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		ws_conn_abort(conn, n < 0 ? errno : ECONNRESET);
		return;
	}
	if (kept && !large)
		memcpy(conn->shared->input, conn->in.p, kept);
	struct str in = {large ? conn->in.p : conn->shared->input, kept + (size_t)n};
	if (!take(conn, &in))
		return;
	if (!large) {
		keep(conn, in);
	} else {
		memmove(conn->in.p, in.p, in.n);
		conn->in.n = in.n;
	}
}

static void on_ready(struct watch *watch, uint32_t events)
{
	struct ws_conn *conn = GRID_CONTAINER_OF(watch, struct ws_conn, watch);

	if (conn->state == WS_STATE_CONNECTING) {
		on_connected(conn);
		return;
	}
	if (events & EPOLLOUT)
		ws_conn_flush(conn);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_readable(conn);
}
