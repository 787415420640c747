/* The opening handshake: the request, and which answers are taken. */
#include "bench/ws_handshake.h"

#include "check_main.h"

/* RFC 6455 section 1.3 */
static const struct ws_key sample = {"dGhlIHNhbXBsZSBub25jZQ=="};
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static int answer(const char *text, int *statusp, size_t *leftp)
{
	struct str in = str_from(text);
	int r = ws_handshake_read(&in, &sample, statusp);
	*leftp = in.n;
	return r;
}

START_TEST(asks_as_the_rfc_has_it)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	ws_handshake_put(&out, "localhost:5200", "/ws?user=7", "grid.v1.json", &sample);
	ck_assert(str_eq(buf_str(&out), STR("GET /ws?user=7 HTTP/1.1\r\nHost: localhost:5200\r\nUpgrade: websocket\r\n"
	                                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	                                    "Sec-WebSocket-Protocol: grid.v1.json\r\n"
	                                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")));
}
END_TEST

START_TEST(keys_differ_and_their_answers)
{
	struct dice dice = dice_of(3);
	struct ws_key one, other;
	char accept[WS_ACCEPT_LEN + 1];

	ws_key_new(&one, &dice);
	ws_key_new(&other, &dice);
	ck_assert_uint_eq(strlen(one.text), WS_KEY_LEN);
	ck_assert_str_ne(one.text, other.text);
	ws_key_accept(&sample, accept);
	ck_assert_str_eq(accept, ACCEPT);
}
END_TEST

START_TEST(takes_the_right_answer_and_no_more)
{
	size_t left;
	int status;

	ck_assert_int_eq(answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	                        "sec-websocket-accept:   " ACCEPT "\r\n\r\n\x81",
	                        &status, &left),
	                 0);
	ck_assert_uint_eq(left, 1);
}
END_TEST

START_TEST(waits_for_the_whole_head)
{
	static const char whole[] = "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n";
	int status;

	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		struct str in = {whole, n};
		ck_assert_int_eq(ws_handshake_read(&in, &sample, &status), WS_HANDSHAKE_E_MORE);
		ck_assert_uint_eq(in.n, n);
	}
}
END_TEST

START_TEST(refuses_all_else)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
	    {"HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\n\r\n", 502},
	    {"HTTP/1.1 404 Not Found\r\n\r\n", 404},
	    {"HTTP/1.0 101 x\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n", 0},
	    {"HTTP/1.1 101 x\r\n\r\n", 0},
	    {"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp=\r\n\r\n", 0},
	    {"HTTP/1.1 101 x\r\nX-Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", 0},
	    {"SSH-2.0-OpenSSH\r\n\r\n", 0},
	};
	size_t left;
	int status;

	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		ck_assert_int_eq(answer(rows[i].text, &status, &left), WS_HANDSHAKE_E_REFUSED);
		ck_assert_int_eq(status, rows[i].status);
	}
}
END_TEST

START_TEST(does_not_wait_for_ever)
{
	struct buf endless GRID_CLEANUP(buf_deinit) = BUF_INIT;
	int status;

	while (endless.n < WS_ANSWER_MAX)
		buf_puts(&endless, "x: y\r\n");
	struct str in = buf_str(&endless);
	ck_assert_int_eq(ws_handshake_read(&in, &sample, &status), WS_HANDSHAKE_E_REFUSED);
}
END_TEST

CHECK_MAIN("bench.ws_handshake", asks_as_the_rfc_has_it, keys_differ_and_their_answers,
           takes_the_right_answer_and_no_more, waits_for_the_whole_head, refuses_all_else, does_not_wait_for_ever)
