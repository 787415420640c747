/* Sockets and rooms of the limit server, over pairs of sockets: who gets what, and what becomes of the slow. */
#include "bench/limit/socket.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/ws_frame.h"
#include "bench/ws_handshake.h"
#include "check_main.h"

#define BACKLOG 300000

/* A realloc that is too large is to fail here too, not to end the program. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static struct sockets sockets;

static void setup(void)
{
	sockets = (struct sockets){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .backlog = BACKLOG};
	sockets.scratch = malloc(SOCKET_READ_MAX);
	ck_assert(sockets.epoll_fd >= 0 && sockets.scratch);
}

static void teardown(void)
{
	sockets_close(&sockets);
	ck_assert_ptr_null(sockets.first);
	for (size_t i = 0; i < ROOM_BUCKETS; i++)
		ck_assert_ptr_null(sockets.rooms.buckets[i]);
	close(sockets.epoll_fd);
	free(sockets.scratch);
}

/* One turn of the server's loop; how many sockets had something. */
static int turn(void)
{
	struct epoll_event events[16];
	int n = epoll_wait(sockets.epoll_fd, events, 16, 0);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;
		source->ready(source, events[i].events);
	}
	rooms_flush(&sockets.rooms);
	sockets_free_closed(&sockets);
	ck_assert_int_eq(sockets.error, 0);
	return n;
}

static void turn_until_quiet(void)
{
	while (turn() > 0)
		continue;
}

/* A client's end. */
struct peer {
	int fd;
	struct ws_reader reader;
	struct buf in;
	struct buf text; /* of the message that came last */
};

static void peer_deinit(struct peer *peer)
{
	close(peer->fd);
	ws_reader_deinit(&peer->reader);
	buf_deinit(&peer->in);
	buf_deinit(&peer->text);
}

static void send_bytes(struct peer *peer, struct buf *bytes)
{
	ck_assert_int_eq(send(peer->fd, bytes->p, bytes->n, MSG_NOSIGNAL), (ssize_t)bytes->n);
	buf_deinit(bytes);
}

static void say(struct peer *peer, enum ws_opcode opcode, const char *text)
{
	struct buf bytes = BUF_INIT;

	ws_put(&bytes, opcode, str_from(text), 0x01020304);
	send_bytes(peer, &bytes);
}

/* Reads what is there. False: the other side has closed. */
static bool fill(struct peer *peer)
{
	for (;;) {
		char *p = buf_reserve(&peer->in, 65536);
		ck_assert_ptr_nonnull(p);
		ssize_t n = recv(peer->fd, p, 65536, MSG_DONTWAIT);
		if (n < 0)
			return true;
		if (n == 0)
			return false;
		peer->in.n += (size_t)n;
	}
}

/* The next message that is there: its opcode, and its text in `text`. -1: there is none. */
static int next(struct peer *peer)
{
	struct ws_message message;

	(void)fill(peer);
	struct str in = buf_str(&peer->in);
	if (ws_read(&peer->reader, &in, &message) != 0)
		return -1;
	buf_reset(&peer->text);
	buf_put_str(&peer->text, message.payload);
	memmove(peer->in.p, in.p, in.n);
	peer->in.n = in.n;
	return (int)message.opcode;
}

static void assert_next(struct peer *peer, enum ws_opcode opcode, const char *text)
{
	ck_assert_int_eq(next(peer), (int)opcode);
	ck_assert(str_eq(buf_str(&peer->text), str_from(text)));
}

static struct peer connect_to(const char *path)
{
	struct peer peer = {.fd = -1};
	struct buf bytes = BUF_INIT;
	struct dice dice = dice_of(5);
	struct ws_key key;
	int fds[2], status;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ck_assert_int_eq(socket_new(&sockets, fds[0]), 0);
	peer.fd = fds[1];
	ws_key_new(&key, &dice);
	ws_handshake_put(&bytes, "x", path, NULL, &key);
	send_bytes(&peer, &bytes);
	turn_until_quiet();
	ck_assert(fill(&peer));
	struct str in = buf_str(&peer.in);
	ck_assert_int_eq(ws_handshake_read(&in, &key, &status), 0);
	ck_assert_uint_eq(in.n, 0);
	buf_reset(&peer.in);
	return peer;
}

static void sends_to_the_room_and_nobody_else(bool batch)
{
	sockets.batch = batch;
	struct peer a GRID_CLEANUP(peer_deinit) = connect_to("/sub/a");
	struct peer a2 GRID_CLEANUP(peer_deinit) = connect_to("/sub/a");
	struct peer b GRID_CLEANUP(peer_deinit) = connect_to("/sub/b");
	struct peer publisher GRID_CLEANUP(peer_deinit) = connect_to("/pub/a");

	say(&publisher, WS_TEXT, "one");
	say(&publisher, WS_TEXT, "two");
	say(&b, WS_TEXT, "who receives does not publish");
	turn_until_quiet();
	assert_next(&a, WS_TEXT, "one");
	assert_next(&a, WS_TEXT, "two");
	assert_next(&a2, WS_TEXT, "one");
	assert_next(&a2, WS_TEXT, "two");
	ck_assert_int_eq(next(&a), -1);
	ck_assert_int_eq(next(&b), -1);
	ck_assert_int_eq(next(&publisher), -1);
}

START_TEST(sends_each_message)
{
	sends_to_the_room_and_nobody_else(false);
}
END_TEST

START_TEST(sends_each_turn)
{
	sends_to_the_room_and_nobody_else(true);
}
END_TEST

START_TEST(puts_messages_together)
{
	struct peer receiver GRID_CLEANUP(peer_deinit) = connect_to("/sub/a");
	struct peer publisher GRID_CLEANUP(peer_deinit) = connect_to("/pub/a");
	struct buf bytes = BUF_INIT;

	ws_put(&bytes, WS_TEXT, STR("in two pieces"), 7);
	ck_assert_int_eq(send(publisher.fd, bytes.p, 9, MSG_NOSIGNAL), 9);
	turn_until_quiet();
	ck_assert_int_eq(next(&receiver), -1);
	ck_assert_int_eq(send(publisher.fd, bytes.p + 9, bytes.n - 9, MSG_NOSIGNAL), (ssize_t)bytes.n - 9);
	buf_deinit(&bytes);
	say(&publisher, WS_TEXT, "whole");
	turn_until_quiet();
	assert_next(&receiver, WS_TEXT, "in two pieces");
	assert_next(&receiver, WS_TEXT, "whole");
}
END_TEST

START_TEST(answers_pings_and_closes)
{
	struct peer peer GRID_CLEANUP(peer_deinit) = connect_to("/sub/a");

	say(&peer, WS_PING, "there?");
	turn_until_quiet();
	assert_next(&peer, WS_PONG, "there?");
	say(&peer, WS_CLOSE, "\x03\xe8");
	turn_until_quiet();
	assert_next(&peer, WS_CLOSE, "\x03\xe8");
	ck_assert(!fill(&peer));
	ck_assert_ptr_null(sockets.first);
}
END_TEST

START_TEST(refuses_what_it_does_not_do)
{
	struct peer peer GRID_CLEANUP(peer_deinit) = connect_to("/pub/a");

	say(&peer, WS_BINARY, "x");
	turn_until_quiet();
	ck_assert_int_eq(next(&peer), WS_CLOSE);
	ck_assert_uint_eq(ws_close_code(buf_str(&peer.text)), 1003);
	ck_assert(!fill(&peer));
}
END_TEST

START_TEST(forgets_who_hangs_up)
{
	struct peer publisher GRID_CLEANUP(peer_deinit) = connect_to("/pub/a");
	struct peer stays GRID_CLEANUP(peer_deinit) = connect_to("/sub/a");
	struct peer goes = connect_to("/sub/a");

	peer_deinit(&goes);
	say(&publisher, WS_TEXT, "still here?");
	turn_until_quiet();
	assert_next(&stays, WS_TEXT, "still here?");
	ck_assert_uint_eq(publisher.in.n, 0);
	ck_assert_ptr_null(sockets.first->next->next);
}
END_TEST

/* Publishes until the room's receiver is behind; how many messages. */
static int publish_until_behind(struct peer *publisher)
{
	char text[2000] = {0};
	int n = 0;

	memset(text, 'x', sizeof(text) - 1);
	do {
		snprintf(text, sizeof(text), "%d", n++);
		text[strlen(text)] = ' ';
		say(publisher, WS_TEXT, text);
		turn_until_quiet();
	} while (sockets.first && !sockets.first->next->waiting);
	return n;
}

/* sockets.first is whoever came last: the publisher; then the receiver. */
static void lets_the_slow_catch_up(bool batch)
{
	sockets.batch = batch;
	struct peer slow GRID_CLEANUP(peer_deinit) = connect_to("/sub/a");
	struct peer publisher GRID_CLEANUP(peer_deinit) = connect_to("/pub/a");
	int n = publish_until_behind(&publisher);

	for (int i = 0; i < 20; i++, n++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", n);
		say(&publisher, WS_TEXT, text);
		turn_until_quiet();
	}
	say(&slow, WS_PING, "later");
	turn_until_quiet();
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(next(&slow), WS_TEXT);
		buf_putc(&slow.text, '\0');
		ck_assert_int_eq(atoi(slow.text.p), i);
		turn_until_quiet();
	}
	turn_until_quiet();
	assert_next(&slow, WS_PONG, "later");
	ck_assert(!sockets.first->next->waiting);
	ck_assert_ptr_null(sockets.first->next->room->stream.first);
	say(&publisher, WS_TEXT, "at once again");
	turn_until_quiet();
	assert_next(&slow, WS_TEXT, "at once again");
	ck_assert_uint_eq(sockets.too_slow, 0);
}

START_TEST(lets_the_slow_catch_up_by_messages)
{
	lets_the_slow_catch_up(false);
}
END_TEST

START_TEST(lets_the_slow_catch_up_by_turns)
{
	lets_the_slow_catch_up(true);
}
END_TEST

START_TEST(closes_who_is_too_slow)
{
	struct peer fast GRID_CLEANUP(peer_deinit) = connect_to("/sub/a");
	struct peer slow GRID_CLEANUP(peer_deinit) = connect_to("/sub/a");
	struct peer publisher GRID_CLEANUP(peer_deinit) = connect_to("/pub/a");
	char text[2000] = {0};
	int n = 0;

	memset(text, 'x', sizeof(text) - 1);
	while (sockets.too_slow == 0 && n < 10000) {
		say(&publisher, WS_TEXT, text);
		turn_until_quiet();
		assert_next(&fast, WS_TEXT, text);
		n++;
	}
	ck_assert_uint_eq(sockets.too_slow, 1);
	ck_assert_int_ge(n, BACKLOG / 2000);
	ck_assert_ptr_null(sockets.first->next->next);
	ck_assert_ptr_null(sockets.first->room->stream.first);
	while (next(&slow) == WS_TEXT)
		n--;
	ck_assert_int_gt(n, 0);
	ck_assert(!fill(&slow));
}
END_TEST

START_TEST(survives_a_room_that_cannot_grow)
{
	struct peer first GRID_CLEANUP(peer_deinit) = connect_to("/sub/a");
	struct peer second GRID_CLEANUP(peer_deinit) = connect_to("/pub/a");
	struct room *room = sockets.first->room;
	const size_t cap = room->cap;
	struct buf bytes = BUF_INIT;
	int fds[2];

	buf_puts(&bytes, "GET /sub/a HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ck_assert_int_eq(socket_new(&sockets, fds[0]), 0);
	struct peer third GRID_CLEANUP(peer_deinit) = {.fd = fds[1]};
	send_bytes(&third, &bytes);
	room->n = room->cap = SIZE_MAX / 64; /* twice of it is more than there is */
	sockets.first->source.ready(&sockets.first->source, EPOLLIN);
	ck_assert_int_eq(sockets.error, -ENOMEM);
	room->n = 1;
	room->cap = cap;
	sockets_close(&sockets);
	ck_assert(!fill(&first) && !fill(&second) && !fill(&third));
}
END_TEST

CHECK_MAIN_WITH("bench.limit_socket", setup, teardown, sends_each_message, sends_each_turn, puts_messages_together,
                answers_pings_and_closes, refuses_what_it_does_not_do, forgets_who_hangs_up,
                lets_the_slow_catch_up_by_messages, lets_the_slow_catch_up_by_turns, closes_who_is_too_slow,
                survives_a_room_that_cannot_grow)
