/* The server's framing, against the client's: what one puts the other takes. */
#include "bench/limit/server_frame.h"

#include "check_main.h"

static const uint32_t mask = 0x5a17c3f1;

static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, SERVER_PAYLOAD_MAX};

static struct buf payload_of(size_t n)
{
	struct buf payload = BUF_INIT;

	for (size_t i = 0; i < n; i++)
		buf_putc(&payload, (char)(i * 7));
	return payload;
}

START_TEST(takes_what_a_client_puts)
{
	for (size_t i = 0; i < GRID_ARRAY_LEN(lengths); i++) {
		struct buf payload GRID_CLEANUP(buf_deinit) = payload_of(lengths[i]);
		struct buf bytes GRID_CLEANUP(buf_deinit) = BUF_INIT;
		struct server_frame frame;

		ws_put(&bytes, WS_TEXT, buf_str(&payload), mask);
		buf_puts(&bytes, "next");
		char *p = bytes.p;
		size_t n = bytes.n;
		ck_assert_int_eq(server_frame_take(&p, &n, &frame), 0);
		ck_assert_int_eq(frame.opcode, WS_TEXT);
		ck_assert(str_eq(frame.payload, buf_str(&payload)));
		ck_assert(str_eq((struct str){p, n}, STR("next")));
	}
}
END_TEST

START_TEST(puts_what_a_client_takes)
{
	for (size_t i = 0; i < GRID_ARRAY_LEN(lengths); i++) {
		struct buf payload GRID_CLEANUP(buf_deinit) = payload_of(lengths[i]);
		struct buf bytes GRID_CLEANUP(buf_deinit) = BUF_INIT;
		struct ws_reader reader = {.fragmented = false};
		struct ws_message message;

		server_frame_put(&bytes, WS_TEXT, buf_str(&payload));
		struct str in = buf_str(&bytes);
		ck_assert_int_eq(ws_read(&reader, &in, &message), 0);
		ck_assert_int_eq(message.opcode, WS_TEXT);
		ck_assert(str_eq(message.payload, buf_str(&payload)));
		ck_assert_uint_eq(in.n, 0);
	}
}
END_TEST

START_TEST(waits_for_the_rest)
{
	struct buf payload GRID_CLEANUP(buf_deinit) = payload_of(300);
	struct buf bytes GRID_CLEANUP(buf_deinit) = BUF_INIT;
	struct server_frame frame;

	ws_put(&bytes, WS_TEXT, buf_str(&payload), mask);
	for (size_t cut = 0; cut < bytes.n; cut++) {
		char *p = bytes.p;
		size_t n = cut;
		ck_assert_int_eq(server_frame_take(&p, &n, &frame), SERVER_FRAME_E_MORE);
		ck_assert_ptr_eq(p, bytes.p);
		ck_assert_uint_eq(n, cut);
	}
	char *p = bytes.p;
	size_t n = bytes.n;
	ck_assert_int_eq(server_frame_take(&p, &n, &frame), 0);
	ck_assert(str_eq(frame.payload, buf_str(&payload)));
}
END_TEST

START_TEST(takes_control_frames)
{
	static const enum ws_opcode opcodes[] = {WS_CLOSE, WS_PING, WS_PONG};

	for (size_t i = 0; i < GRID_ARRAY_LEN(opcodes); i++) {
		struct buf bytes GRID_CLEANUP(buf_deinit) = BUF_INIT;
		struct server_frame frame;

		ws_put(&bytes, opcodes[i], STR("why"), mask);
		char *p = bytes.p;
		size_t n = bytes.n;
		ck_assert_int_eq(server_frame_take(&p, &n, &frame), 0);
		ck_assert_int_eq(frame.opcode, opcodes[i]);
		ck_assert(str_eq(frame.payload, STR("why")));
	}
}
END_TEST

START_TEST(refuses_the_rest)
{
	static const struct {
		const char *what;
		unsigned char head[10];
		unsigned code;
	} rows[] = {
	    {"not masked", {0x81, 0x01}, 1002},
	    {"reserved bits", {0xc1, 0x81}, 1002},
	    {"a control frame in fragments", {0x09, 0x80}, 1002},
	    {"a long control frame", {0x89, 0x80 | 126}, 1002},
	    {"an unknown control frame", {0x8b, 0x80}, 1002},
	    {"binary", {0x82, 0x81}, 1003},
	    {"a first fragment", {0x01, 0x81}, 1003},
	    {"a last fragment", {0x80, 0x81}, 1003},
	};

	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		char bytes[10];
		char *p = bytes;
		size_t n = sizeof(bytes);
		struct server_frame frame;

		memcpy(bytes, rows[i].head, sizeof(bytes));
		ck_assert_msg(server_frame_take(&p, &n, &frame) == SERVER_FRAME_E_REFUSED, "%s", rows[i].what);
		ck_assert_msg(frame.refusal == rows[i].code, "%s", rows[i].what);
	}
}
END_TEST

START_TEST(refuses_what_is_too_large_at_once)
{
	unsigned char bytes[14] = {0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0x10, 0, 1};
	char *p = (char *)bytes;
	size_t n = sizeof(bytes);
	struct server_frame frame;

	ck_assert_int_eq(server_frame_take(&p, &n, &frame), SERVER_FRAME_E_REFUSED);
	ck_assert_uint_eq(frame.refusal, 1009);
}
END_TEST

CHECK_MAIN("bench.limit_server_frame", takes_what_a_client_puts, puts_what_a_client_takes, waits_for_the_rest,
           takes_control_frames, refuses_the_rest, refuses_what_is_too_large_at_once)
