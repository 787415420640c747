/* The opening handshake from the server's side, against the client's. */
#include "bench/limit/opening.h"

#include "check_main.h"

static void put_request(struct buf *out, const char *path, struct ws_key *key)
{
	struct dice dice = dice_of(3);

	ws_key_new(key, &dice);
	ws_handshake_put(out, "localhost", path, NULL, key);
}

START_TEST(takes_a_clients_request)
{
	static const struct {
		const char *path, *room;
		bool receives;
	} rows[] = {
	    {"/sub/lobby", "lobby", true},
	    {"/pub/lobby", "lobby", false},
	    {"/sub/bench-x.3?user=7", "bench-x.3", true},
	    {"/pub/a/b%20c", "a/b%20c", false},
	};

	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		struct buf bytes GRID_CLEANUP(buf_deinit) = BUF_INIT;
		struct opening opening;
		struct ws_key key;

		put_request(&bytes, rows[i].path, &key);
		buf_puts(&bytes, "frames");
		struct str in = buf_str(&bytes);
		ck_assert_int_eq(opening_take(&in, &opening), 0);
		ck_assert_int_eq(opening.receives, rows[i].receives);
		ck_assert(str_eq(opening.room, str_from(rows[i].room)));
		ck_assert_str_eq(opening.key.text, key.text);
		ck_assert(str_eq(in, STR("frames")));
	}
}
END_TEST

START_TEST(answers_so_that_a_client_takes_it)
{
	struct buf bytes GRID_CLEANUP(buf_deinit) = BUF_INIT, answer GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct opening opening;
	struct ws_key key;
	int status;

	put_request(&bytes, "/sub/lobby", &key);
	struct str in = buf_str(&bytes);
	ck_assert_int_eq(opening_take(&in, &opening), 0);
	opening_accept(&answer, &opening);
	struct str back = buf_str(&answer);
	ck_assert_int_eq(ws_handshake_read(&back, &key, &status), 0);
	ck_assert_uint_eq(back.n, 0);
}
END_TEST

START_TEST(waits_for_the_rest)
{
	struct buf bytes GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct opening opening;
	struct ws_key key;

	put_request(&bytes, "/sub/lobby", &key);
	for (size_t cut = 0; cut < bytes.n; cut++) {
		struct str in = {bytes.p, cut};
		ck_assert_int_eq(opening_take(&in, &opening), OPENING_E_MORE);
		ck_assert_uint_eq(in.n, cut);
	}
}
END_TEST

START_TEST(refuses_what_is_none)
{
	static const char *const heads[] = {
	    "GET /ws HTTP/1.1\r\nSec-WebSocket-Key: 0123456789abcdefghijklmn\r\n\r\n",
	    "GET /sub/ HTTP/1.1\r\nSec-WebSocket-Key: 0123456789abcdefghijklmn\r\n\r\n",
	    "POST /sub/x HTTP/1.1\r\nSec-WebSocket-Key: 0123456789abcdefghijklmn\r\n\r\n",
	    "GET /sub/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
	    "GET /sub/x HTTP/1.1\r\nSec-WebSocket-Key: short\r\n\r\n",
	    "\r\n\r\n",
	};
	struct opening opening;

	for (size_t i = 0; i < GRID_ARRAY_LEN(heads); i++) {
		struct str in = str_from(heads[i]);
		ck_assert_msg(opening_take(&in, &opening) == OPENING_E_REFUSED, "%s", heads[i]);
	}
}
END_TEST

START_TEST(does_not_wait_for_ever)
{
	struct buf bytes GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct opening opening;

	while (bytes.n < OPENING_MAX)
		buf_putc(&bytes, 'x');
	struct str in = buf_str(&bytes);
	ck_assert_int_eq(opening_take(&in, &opening), OPENING_E_REFUSED);
}
END_TEST

CHECK_MAIN("bench.limit_opening", takes_a_clients_request, answers_so_that_a_client_takes_it, waits_for_the_rest,
           refuses_what_is_none, does_not_wait_for_ever)
