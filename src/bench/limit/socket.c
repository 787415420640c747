#include "bench/limit/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/limit/opening.h"
#include "bench/limit/server_frame.h"

static void fail(struct sockets *sockets, int error)
{
	if (sockets->error == 0)
		sockets->error = error;
}

/* --- states ------------------------------------------------------------------------------------------------------- */

static void close_socket(struct socket *socket)
{
	struct sockets *sockets = socket->sockets;

	if (socket->state == SOCKET_CLOSED)
		return;
	socket->state = SOCKET_CLOSED;
	socket->waiting = true;
	socket->next_closed = sockets->closed;
	sockets->closed = socket;
}

static void set_waiting(struct socket *socket, bool waiting)
{
	struct epoll_event event = {.events = waiting ? EPOLLOUT : EPOLLIN, .data.ptr = &socket->source};

	if (socket->state == SOCKET_CLOSED || socket->waiting == waiting)
		return;
	socket->waiting = waiting;
	/* Changing what is watched needs no memory: it fails only for a descriptor that is not there. */
	GRID_ASSERT(epoll_ctl(socket->sockets->epoll_fd, EPOLL_CTL_MOD, socket->fd, &event) == 0);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* How much the socket took; what is broken is closed. */
static size_t send_now(struct socket *socket, struct str bytes)
{
	ssize_t sent = send(socket->fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent >= 0)
		return (size_t)sent;
	if (errno != EAGAIN && errno != EINTR)
		close_socket(socket);
	return 0;
}

/* It goes on in the room's stream where the socket stopped taking, unless that is too far back. */
static void fall_behind(struct socket *socket, size_t taken)
{
	struct stream *stream = &socket->room->stream;

	if (!socket->reader.chunk)
		reader_begin(stream, &socket->reader, taken);
	set_waiting(socket, true);
	if (reader_behind(stream, &socket->reader) > socket->sockets->backlog) {
		socket->sockets->too_slow++;
		close_socket(socket);
	}
}

void socket_offer(struct socket *socket, struct str bytes)
{
	size_t taken = socket->waiting ? 0 : send_now(socket, bytes);

	if (taken < bytes.n && socket->state == SOCKET_OPEN)
		fall_behind(socket, taken);
}

/* An answer of its own; nothing waits. */
static void send_answer(struct socket *socket, struct str bytes)
{
	size_t taken = send_now(socket, bytes);

	if (taken == bytes.n || socket->state == SOCKET_CLOSED)
		return;
	buf_put(&socket->answer, bytes.p + taken, bytes.n - taken);
	if (socket->answer.failed)
		fail(socket->sockets, -ENOMEM);
	set_waiting(socket, true);
}

static void send_frame(struct socket *socket, enum ws_opcode opcode, struct str payload)
{
	struct buf bytes GRID_CLEANUP(buf_deinit) = BUF_INIT;

	server_frame_put(&bytes, opcode, payload);
	send_answer(socket, buf_str(&bytes));
}

/* False: the socket took less, or is broken. */
static bool send_rest_of_answer(struct socket *socket)
{
	size_t taken = send_now(socket, buf_str(&socket->answer));

	if (taken < socket->answer.n) {
		memmove(socket->answer.p, socket->answer.p + taken, socket->answer.n - taken);
		socket->answer.n -= taken;
		return false;
	}
	buf_deinit(&socket->answer);
	return true;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static void publish(struct socket *socket, struct str text)
{
	struct sockets *sockets = socket->sockets;

	if (socket->receives)
		return;
	int r = room_publish(socket->room, text);
	if (r != 0)
		fail(sockets, r);
	else if (!sockets->batch)
		rooms_flush(&sockets->rooms);
}

static void on_frame(struct socket *socket, const struct server_frame *frame)
{
	switch (frame->opcode) {
	case WS_TEXT:
		publish(socket, frame->payload);
		break;
	case WS_PING:
		send_frame(socket, WS_PONG, frame->payload);
		break;
	case WS_CLOSE:
		send_frame(socket, WS_CLOSE, frame->payload);
		close_socket(socket);
		break;
	default:
		break; /* a pong is no news */
	}
}

static void refuse(struct socket *socket, unsigned code)
{
	const char payload[2] = {(char)(code >> 8), (char)code};

	send_frame(socket, WS_CLOSE, (struct str){payload, sizeof(payload)});
	close_socket(socket);
}

static void take_frames(struct socket *socket, char **pp, size_t *np)
{
	struct server_frame frame;
	int r = 0;

	while (socket->state == SOCKET_OPEN && !socket->waiting && (r = server_frame_take(pp, np, &frame)) == 0)
		on_frame(socket, &frame);
	if (r == SERVER_FRAME_E_REFUSED)
		refuse(socket, frame.refusal);
}

static void enter_room(struct socket *socket, const struct opening *opening)
{
	struct sockets *sockets = socket->sockets;

	socket->room = room_ref(&sockets->rooms, opening->room);
	if (!socket->room) {
		fail(sockets, -ENOMEM);
		return;
	}
	socket->state = SOCKET_OPEN;
	rooms_flush(&sockets->rooms); /* what was published before is not for it */
	int r = opening->receives ? room_add(socket->room, socket) : 0;
	if (r != 0)
		fail(sockets, r);
	else
		socket->receives = opening->receives; /* from here on the room has it */
}

static void take_opening(struct socket *socket, char **pp, size_t *np)
{
	struct buf answer GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct str in = {*pp, *np};
	struct opening opening;

	int r = opening_take(&in, &opening);
	if (r == OPENING_E_MORE)
		return;
	*pp += *np - in.n;
	*np = in.n;
	if (r == OPENING_E_REFUSED) {
		send_answer(socket, STR("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
		close_socket(socket);
		return;
	}
	opening_accept(&answer, &opening);
	send_answer(socket, buf_str(&answer));
	if (socket->state != SOCKET_CLOSED)
		enter_room(socket, &opening);
}

static void take_bytes(struct socket *socket, char **pp, size_t *np)
{
	if (socket->state == SOCKET_HANDSHAKE)
		take_opening(socket, pp, np);
	if (socket->state == SOCKET_OPEN)
		take_frames(socket, pp, np);
}

/* What came before is in front; what is not used stays for the next time. */
static void take_joined(struct socket *socket, struct str bytes)
{
	buf_put_str(&socket->in, bytes);
	if (socket->in.failed) {
		fail(socket->sockets, -ENOMEM);
		return;
	}
	char *p = socket->in.p;
	size_t n = socket->in.n;
	take_bytes(socket, &p, &n);
	if (n == 0) {
		buf_deinit(&socket->in);
		return;
	}
	memmove(socket->in.p, p, n);
	socket->in.n = n;
}

static void catch_up(struct socket *socket)
{
	if (socket->answer.n && !send_rest_of_answer(socket))
		return;
	while (socket->reader.chunk) {
		struct str rest = reader_rest(&socket->reader);
		size_t taken = send_now(socket, rest);
		if (taken)
			reader_took(&socket->room->stream, &socket->reader, taken);
		if (taken < rest.n)
			return;
	}
	set_waiting(socket, false);
	if (socket->in.n)
		take_joined(socket, STR("")); /* what came while it waited */
}

/* One recv(): if there is more, epoll says so again in the next turn. */
static void receive(struct socket *socket)
{
	char *p = socket->sockets->scratch;
	ssize_t got = recv(socket->fd, p, SOCKET_READ_MAX, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		close_socket(socket);
		return;
	}
	size_t n = (size_t)got;
	if (socket->in.n == 0)
		take_bytes(socket, &p, &n);
	if (n && socket->state != SOCKET_CLOSED)
		take_joined(socket, (struct str){p, n});
}

static void on_ready(struct source *source, uint32_t events)
{
	struct socket *socket = GRID_CONTAINER_OF(source, struct socket, source);

	if (socket->state == SOCKET_CLOSED)
		return;
	if (events & EPOLLOUT)
		catch_up(socket);
	else if (events & EPOLLIN)
		receive(socket);
	else
		close_socket(socket); /* broken, and nothing to read or write that would say how */
}

/* --- making and freeing ------------------------------------------------------------------------------------------- */

int socket_new(struct sockets *sockets, int fd)
{
	struct socket *socket = calloc(1, sizeof(*socket));
	struct epoll_event event = {.events = EPOLLIN};

	if (!socket) {
		close(fd);
		return -ENOMEM;
	}
	event.data.ptr = &socket->source;
	if (epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		int error = -errno;
		close(fd);
		free(socket);
		return error;
	}
	*socket = (struct socket){.source = {on_ready}, .sockets = sockets, .fd = fd, .next = sockets->first};
	if (sockets->first)
		sockets->first->prev = socket;
	sockets->first = socket;
	return 0;
}

static void free_socket(struct socket *socket)
{
	struct sockets *sockets = socket->sockets;

	if (socket->room) {
		reader_leave(&socket->room->stream, &socket->reader);
		if (socket->receives)
			room_remove(socket->room, socket);
		room_unref(socket->room);
	}
	if (socket->prev)
		socket->prev->next = socket->next;
	else
		sockets->first = socket->next;
	if (socket->next)
		socket->next->prev = socket->prev;
	close(socket->fd); /* and epoll forgets it */
	buf_deinit(&socket->answer);
	buf_deinit(&socket->in);
	free(socket);
}

void sockets_free_closed(struct sockets *sockets)
{
	for (struct socket *socket; (socket = sockets->closed);) {
		sockets->closed = socket->next_closed;
		free_socket(socket);
	}
}

void sockets_close(struct sockets *sockets)
{
	rooms_flush(&sockets->rooms);
	for (struct socket *socket = sockets->first; socket; socket = socket->next)
		close_socket(socket);
	sockets_free_closed(sockets);
}
