/* Websocket framing as a client: what a server may send, in any pieces, and what it may not; masking. */
#include "bench/ws_frame.h"

#include <stdlib.h>

#include "bench/pick.h"
#include "check_main.h"

static struct ws_reader reader;
static struct buf bytes;

/* Appends a server's frame. */
static void frame(unsigned head, const char *payload, size_t n)
{
	buf_putc(&bytes, (char)head);
	if (n < 126) {
		buf_putc(&bytes, (char)n);
	} else if (n < 65536) {
		buf_putc(&bytes, 126);
		buf_putc(&bytes, (char)(n >> 8));
		buf_putc(&bytes, (char)n);
	} else {
		buf_putc(&bytes, 127);
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_putc(&bytes, (char)((uint64_t)n >> shift));
	}
	buf_put(&bytes, payload, n);
}

static void text(unsigned head, const char *payload)
{
	frame(head, payload, strlen(payload));
}

static void is(const struct ws_message *message, enum ws_opcode opcode, const char *payload)
{
	ck_assert_int_eq(message->opcode, opcode);
	ck_assert(str_eq(message->payload, str_from(payload)));
}

static void done(void)
{
	buf_deinit(&bytes);
	ws_reader_deinit(&reader);
}

START_TEST(reads_frames_of_all_lengths)
{
	static const size_t lengths[] = {0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 65537, 1000000};
	struct ws_message message;

	for (size_t i = 0; i < GRID_ARRAY_LEN(lengths); i++) {
		char *payload = calloc(1, lengths[i] + 1);
		for (size_t k = 0; k < lengths[i]; k++)
			payload[k] = (char)('a' + k % 26);
		frame(0x81, payload, lengths[i]);
		text(0x81, "next");
		struct str in = buf_str(&bytes);
		ck_assert_int_eq(ws_read(&reader, &in, &message), 0);
		ck_assert_int_eq(message.opcode, WS_TEXT);
		ck_assert(str_eq(message.payload, (struct str){payload, lengths[i]}));
		ck_assert_int_eq(ws_read(&reader, &in, &message), 0);
		is(&message, WS_TEXT, "next");
		ck_assert_uint_eq(in.n, 0);
		ck_assert_int_eq(ws_read(&reader, &in, &message), WS_E_MORE);
		free(payload);
		done();
	}
}
END_TEST

START_TEST(waits_for_every_byte)
{
	static const size_t lengths[] = {0, 5, 126, 65536};
	struct ws_message message;

	for (size_t i = 0; i < GRID_ARRAY_LEN(lengths); i++) {
		char *payload = calloc(1, lengths[i] + 1);
		frame(0x81, payload, lengths[i]);
		for (size_t n = 0; n<bytes.n; n += n> 20 && n + 20 < bytes.n ? 17 : 1) {
			struct str in = {bytes.p, n};
			ck_assert_int_eq(ws_read(&reader, &in, &message), WS_E_MORE);
			ck_assert_uint_eq(in.n, n); /* nothing is taken */
		}
		free(payload);
		done();
	}
}
END_TEST

START_TEST(puts_fragments_together)
{
	struct ws_message message;

	text(0x01, "one ");
	text(0x00, "two ");
	text(0x89, "are you there");
	text(0x00, "");
	text(0x80, "three");
	text(0x81, "whole");
	struct str in = buf_str(&bytes);
	ck_assert_int_eq(ws_read(&reader, &in, &message), 0);
	is(&message, WS_PING, "are you there");
	ck_assert_int_eq(ws_read(&reader, &in, &message), 0);
	is(&message, WS_TEXT, "one two three");
	ck_assert_int_eq(ws_read(&reader, &in, &message), 0);
	is(&message, WS_TEXT, "whole");
	ck_assert_int_eq(ws_read(&reader, &in, &message), WS_E_MORE);
	done();
}
END_TEST

START_TEST(fragments_may_come_in_any_pieces)
{
	struct ws_message message;
	int r = WS_E_MORE;

	text(0x01, "one ");
	text(0x80, "two");
	struct str in = {bytes.p, 0};
	for (size_t n = 1; n <= bytes.n; n++) {
		in = (struct str){in.p, (size_t)(bytes.p + n - in.p)};
		r = ws_read(&reader, &in, &message);
		ck_assert_int_eq(r, n < bytes.n ? WS_E_MORE : 0);
	}
	is(&message, WS_TEXT, "one two");
	done();
}
END_TEST

static void refuses(void)
{
	struct str in = buf_str(&bytes);
	struct ws_message message;
	int r;

	while ((r = ws_read(&reader, &in, &message)) == 0)
		;
	ck_assert_int_eq(r, WS_E_MALFORMED);
	done();
}

START_TEST(refuses_what_no_server_may_send)
{
	static const unsigned heads[] = {0xc1, 0xa1, 0x91, 0x83, 0x87, 0x8b, 0x8f, 0x09, 0x08, 0x80};

	for (size_t i = 0; i < GRID_ARRAY_LEN(heads); i++) {
		/* reserved bits, unknown opcodes, control frames in fragments, a continuation of nothing */
		text(heads[i], "x");
		refuses();
	}
	text(0x01, "begun");
	text(0x81, "another, though the first is not done");
	refuses();
	char large[126] = {0};
	frame(0x89, large, sizeof(large)); /* a control frame has at most 125 bytes */
	refuses();
	buf_put(&bytes, "\x81\x81\x01\x02\x03\x04x", 7); /* masked */
	refuses();
	buf_put(&bytes, "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10); /* longer than anything */
	refuses();
}
END_TEST

START_TEST(garbage_is_never_read_beyond_its_end)
{
	struct dice dice = dice_of(11);

	for (int i = 0; i < 20000; i++) {
		size_t n = dice_below(&dice, 40);
		char *exact = malloc(n ? n : 1); /* so that a sanitizer sees one byte too many */
		for (size_t k = 0; k < n; k++)
			exact[k] = (char)dice_next(&dice);
		struct str in = {exact, n};
		struct ws_message message;
		while (ws_read(&reader, &in, &message) == 0)
			ck_assert_uint_le(in.n, n);
		ws_reader_deinit(&reader);
		free(exact);
	}
}
END_TEST

START_TEST(masks_what_it_sends)
{
	static const size_t lengths[] = {0, 1, 3, 4, 5, 125, 126, 65535, 65536};
	static const unsigned char key[4] = {0x11, 0x22, 0x33, 0x44};
	uint32_t mask;

	memcpy(&mask, key, sizeof(mask));
	for (size_t i = 0; i < GRID_ARRAY_LEN(lengths); i++) {
		size_t n = lengths[i], header = n < 126 ? 2 : n < 65536 ? 4 : 10;
		char *payload = calloc(1, n + 1);
		for (size_t k = 0; k < n; k++)
			payload[k] = (char)k;
		ws_put(&bytes, WS_TEXT, (struct str){payload, n}, mask);
		const unsigned char *p = (const unsigned char *)bytes.p;
		ck_assert_uint_eq(bytes.n, header + 4 + n);
		ck_assert_uint_eq(p[0], 0x81);
		ck_assert_uint_eq(p[1], 0x80 | (n < 126 ? n : n < 65536 ? 126 : 127));
		ck_assert_mem_eq(p + header, key, 4);
		for (size_t k = 0; k < n; k++)
			ck_assert_uint_eq(p[header + 4 + k] ^ key[k % 4], (unsigned char)k);
		free(payload);
		done();
	}
	ws_put(&bytes, WS_TEXT, STR("Hello"),
	       0x3d21fa37); /* RFC 6455 section 5.7; its bytes in this order on little endian */
	ck_assert_mem_eq(bytes.p, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11);
	done();
}
END_TEST

START_TEST(reads_close_codes)
{
	ck_assert_uint_eq(ws_close_code(STR("\x03\xf4")), 1012);
	ck_assert_uint_eq(ws_close_code(STR("\x0f\xa1 and why")), 4001);
	ck_assert_uint_eq(ws_close_code(STR("")), WS_CODE_NONE);
	ck_assert_uint_eq(ws_close_code(STR("\x03")), WS_CODE_NONE);
}
END_TEST

CHECK_MAIN("bench.ws_frame", reads_frames_of_all_lengths, waits_for_every_byte, puts_fragments_together,
           fragments_may_come_in_any_pieces, refuses_what_no_server_may_send, garbage_is_never_read_beyond_its_end,
           masks_what_it_sends, reads_close_codes)
