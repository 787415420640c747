#include "net/door.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/admin.h"
#include "net/loop_ev.h"
#include "net/sock.h"
#include "net/upgrade.h"
#include "net/ws.h"

#define READ_MIN 1024
#define LINGER_MS 2000
/* How a crowd is let in: as fast as its keys are bound, in between these: at most 4,000 a second, 1 ms of handshakes at
 * once. */
#define LET_IN_EVERY_MS 4
#define LET_IN_MIN 4
#define LET_IN_MAX 16
#define LOOK_AT_MAX 256 /* of those who may have hung up */

enum door_state {
	DOOR_READING, /* the head */
	DOOR_PUT_OFF, /* it has asked for the websocket, and there is a crowd */
	DOOR_WRITING, /* the answer */
	/* Answered and shut down: what the client still sends is thrown away until it hangs up, because closing a socket
	 * with unread bytes resets it, and the reset may overtake the answer. */
	DOOR_LINGERING,
};

struct door {
	struct ev_io io;
	struct wheel_entry deadline;
	struct server *server;
	struct door *prev, *next;
	struct door *next_put_off;
	struct sockaddr_storage peer;
	struct buf in;
	struct buf out;
	size_t sent;
	int fd;
	bool admin;
	enum door_state state;
};

/* The descriptor is the caller's, then. */
static int door_release(struct door *d)
{
	struct server *server = d->server;
	int fd = d->fd;

	ev_io_stop(server->ev, &d->io);
	wheel_cancel(&d->deadline);
	if (d->prev)
		d->prev->next = d->next;
	else
		server->door_list = d->next;
	if (d->next)
		d->next->prev = d->prev;
	buf_deinit(&d->in);
	buf_deinit(&d->out);
	free(d);
	return fd;
}

static void door_close(struct door *d)
{
	close(door_release(d));
}

static void rejected(struct door *d, enum reject why)
{
	if (!d->admin)
		counter_add(&d->server->counters.rejected[why], 1);
}

static void wait_for(struct door *d, int events)
{
	ev_io_stop(d->server->ev, &d->io);
	ev_io_set(&d->io, d->fd, events);
	ev_io_start(d->server->ev, &d->io);
}

static void linger(struct door *d)
{
	if (shutdown(d->fd, SHUT_WR) != 0) {
		door_close(d);
		return;
	}
	d->state = DOOR_LINGERING;
	wheel_set(&d->server->doors, &d->deadline, clock_mono_ms() + LINGER_MS);
	wait_for(d, EV_READ);
}

static void write_some(struct door *d)
{
	while (d->sent < d->out.n) {
		ssize_t n = send(d->fd, d->out.p + d->sent, d->out.n - d->sent, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (d->state != DOOR_WRITING)
				wait_for(d, EV_WRITE);
			d->state = DOOR_WRITING;
			return;
		}
		if (n < 0) {
			door_close(d);
			return;
		}
		d->sent += (size_t)n;
	}
	linger(d);
}

static void answer(struct door *d, const struct reply *reply, bool with_body)
{
	buf_printf(&d->out,
	           "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
	           "Connection: close\r\n",
	           reply->status, http_reason(reply->status), reply->type ? reply->type : "text/plain; charset=utf-8",
	           reply->body.n);
	buf_puts(&d->out, reply->fields ? reply->fields : "");
	buf_puts(&d->out, "\r\n");
	if (with_body)
		buf_put_str(&d->out, reply->body);
	if (d->out.failed)
		door_close(d);
	else
		write_some(d);
}

static void refuse(struct door *d, int status, const char *text, enum reject why)
{
	rejected(d, why);
	answer(d, &(struct reply){.status = status, .body = str_from(text)}, true);
}

static void serve_admin(struct door *d, const struct http_head *head)
{
	GRID_CLEANUP(buf_deinit) struct buf body = BUF_INIT;
	struct reply reply;

	counter_add(&d->server->counters.requests, 1);
	admin_serve(d->server, head, &body, &reply);
	answer(d, &reply, !str_eq(head->method, STR("HEAD")));
}

/* In: the request asks for the websocket as RFC 6455 wants it. What the client sends meanwhile, or that it hangs up,
 * waits in its socket. */
static void put_off(struct door *d)
{
	struct server *server = d->server;

	counter_add(&server->counters.put_off, 1);
	ev_io_stop(server->ev, &d->io);
	wheel_cancel(&d->deadline);
	d->state = DOOR_PUT_OFF;
	if (server->put_off)
		server->last_put_off->next_put_off = d;
	else
		server->put_off = d;
	server->last_put_off = d;
	if (!ev_is_active(&server->let_in)) {
		ev_now_update(server->ev);
		ev_timer_set(&server->let_in, LET_IN_EVERY_MS / 1000., LET_IN_EVERY_MS / 1000.);
		ev_timer_start(server->ev, &server->let_in);
	}
}

/* The same. */
static void let_in(struct door *d, const struct http_head *head, size_t head_len)
{
	struct server *server = d->server;
	struct buf in = d->in;
	struct arrival arrival;

	if (upgrade_arrival(server, head, (const struct sockaddr *)&d->peer, &arrival) != 0) {
		upgrade_arrival_deinit(&arrival);
		rejected(d, REJECT_INTERNAL);
		door_close(d);
		return;
	}
	arrival.rest = (struct str){in.p + head_len, in.n - head_len};
	d->in = BUF_INIT; /* `head` points into it */
	ws_adopt(server, door_release(d), &arrival);
	upgrade_arrival_deinit(&arrival);
	buf_deinit(&in);
}

static void come_in(struct door *d, const struct http_head *head, size_t head_len)
{
	if (d->server->put_off || hub_crowded(d->server->hub))
		put_off(d);
	else
		let_in(d, head, head_len);
}

static void serve(struct door *d, const struct http_head *head, size_t head_len)
{
	struct upgrade_refusal refusal;

	if (d->admin)
		serve_admin(d, head);
	else if (upgrade_check(head, &refusal))
		come_in(d, head, head_len);
	else {
		rejected(d, refusal.why);
		answer(d, &refusal.reply, !str_eq(head->method, STR("HEAD")));
	}
}

static void read_head(struct door *d)
{
	struct http_head head;
	size_t head_len;
	char *at = buf_reserve(&d->in, READ_MIN);

	if (!at) {
		rejected(d, REJECT_INTERNAL);
		door_close(d);
		return;
	}
	ssize_t n = recv(d->fd, at, d->in.cap - d->in.n, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		rejected(d, REJECT_GONE);
		door_close(d);
		return;
	}
	d->in.n += (size_t)n;
	/* No line has ended: nothing new to see. A head that comes byte by byte must not be parsed as often. */
	int r = memchr(at, '\n', (size_t)n) ? http_head_parse(buf_str(&d->in), &head, &head_len) : HTTP_E_MORE;
	if (r == 0 && head_len <= DOOR_HEAD_MAX)
		serve(d, &head, head_len);
	else if (r == HTTP_E_MALFORMED)
		refuse(d, 400, "this is not a request of HTTP/1.1\n", REJECT_MALFORMED);
	else if (d->in.n > DOOR_HEAD_MAX)
		refuse(d, 431, "the request's head has at most 16 KB\n", REJECT_TOO_LARGE);
}

static void discard(struct door *d)
{
	char waste[4096];
	for (int i = 0; i < 16; i++) { /* others want a turn too */
		ssize_t n = recv(d->fd, waste, sizeof(waste), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			door_close(d);
			return;
		}
	}
}

static void on_door(struct ev_loop *ev, struct ev_io *io, int revents)
{
	struct door *d = io->data;
	(void)ev;
	(void)revents;

	switch (d->state) {
	case DOOR_READING:
		read_head(d);
		break;
	case DOOR_WRITING:
		write_some(d);
		break;
	case DOOR_LINGERING:
		discard(d);
		break;
	case DOOR_PUT_OFF: /* it is not looked at */
		break;
	}
}

static bool hung_up(const struct door *d)
{
	char byte;
	ssize_t n = recv(d->fd, &byte, 1, MSG_PEEK);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* The one who has waited longest. False: it has hung up. */
static bool let_in_one(struct server *server)
{
	struct door *d = server->put_off;
	struct http_head head;
	size_t head_len;

	server->put_off = d->next_put_off;
	if (hung_up(d)) {
		rejected(d, REJECT_GONE);
		door_close(d);
		return false;
	}
	GRID_ASSERT(http_head_parse(buf_str(&d->in), &head, &head_len) == 0); /* as it was before */
	let_in(d, &head, head_len);
	return true;
}

void door_let_in(struct ev_loop *ev, struct ev_timer *timer, int revents)
{
	struct server *server = timer->data;
	int in = 0;
	(void)revents;

	for (int looked = 0; server->put_off && looked < LOOK_AT_MAX && in < LET_IN_MAX; looked++) {
		if (in >= LET_IN_MIN && hub_crowded(server->hub))
			break;
		in += let_in_one(server);
	}
	if (!server->put_off)
		ev_timer_stop(ev, timer);
}

void door_open(struct server *server, int fd, const struct sockaddr_storage *peer, bool admin)
{
	struct door *d = calloc(1, sizeof(*d));

	if (!admin)
		counter_add(&server->counters.accepted, 1);
	if (!d) {
		close(fd);
		return;
	}
	sock_no_delay(fd);
	d->server = server;
	d->fd = fd;
	d->admin = admin;
	d->state = DOOR_READING;
	d->peer = *peer;
	d->next = server->door_list;
	if (d->next)
		d->next->prev = d;
	server->door_list = d;
	wheel_set(&server->doors, &d->deadline, clock_mono_ms() + DOOR_TIMEOUT_MS);
	ev_io_init(&d->io, on_door, fd, EV_READ);
	ev_set_priority(&d->io, PRIORITY_DOOR);
	d->io.data = d;
	ev_io_start(server->ev, &d->io);
}

void door_close_all(struct server *server)
{
	server->put_off = NULL;
	ev_timer_stop(server->ev, &server->let_in);
	while (server->door_list)
		door_close(server->door_list);
}

void door_due(struct wheel_entry *entry, uint64_t now_ms, void *server)
{
	struct door *d = GRID_CONTAINER_OF(entry, struct door, deadline);
	(void)server;

	if (d->state == DOOR_READING && d->in.n > 0) {
		/* Set again for the answer: a client that does not take it is closed by the next deadline. */
		wheel_set(&d->server->doors, &d->deadline, now_ms + LINGER_MS);
		refuse(d, 408, "the request did not come within ten seconds\n", REJECT_TIMEOUT);
		return;
	}
	if (d->state == DOOR_READING)
		rejected(d, REJECT_TIMEOUT);
	door_close(d);
}
