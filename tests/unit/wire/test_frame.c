/* The very bytes of the frames a node sends. */
#include "wire/frame.h"

#include <stdio.h>
#include <stdlib.h>

#include "check_main.h"
#include "wire/json.h"

/* The payload of a text frame, after checking its header; frees the frame. */
static struct str payload_of(struct msgbuf *frame)
{
	static char text[200000];
	size_t header = 2, len;

	ck_assert_ptr_nonnull(frame);
	ck_assert_uint_eq(frame->refs, 1);
	ck_assert_int_eq(frame->data[0], 0x81);
	len = frame->data[1];
	if (len >= 126) {
		header = len == 126 ? 4 : 10;
		len = 0;
		for (size_t i = 2; i < header; i++)
			len = len << 8 | frame->data[i];
		ck_assert_uint_ge(len, header == 4 ? 126 : 65536);
	}
	ck_assert_uint_eq(frame->len, header + len);
	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, frame->data + header, len);
	text[len] = '\0';
	msgbuf_unref(frame);
	return (struct str){text, len};
}

static void assert_frame(struct msgbuf *frame, const char *expected)
{
	struct str payload = payload_of(frame);
	ck_assert_str_eq(payload.p, expected);
	ck_assert_uint_eq(payload.n, strlen(expected));
	ck_assert(json_valid(payload));
}

START_TEST(writes_headers_of_every_size)
{
	static char json[70000];
	static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};

	memset(json, '1', sizeof(json));
	for (size_t i = 0; i < GRID_ARRAY_LEN(sizes); i++) {
		struct msgbuf *frame = frame_text((struct str){json, sizes[i]});
		size_t header = sizes[i] < 126 ? 2 : sizes[i] < 65536 ? 4 : 10;
		ck_assert_uint_eq(frame->len, header + sizes[i]);
		struct str payload = payload_of(frame);
		ck_assert_uint_eq(payload.n, sizes[i]);
		ck_assert_mem_eq(payload.p, json, sizes[i]);
	}
}
END_TEST

START_TEST(writes_a_header_byte_by_byte)
{
	static char json[66000];
	struct msgbuf *frame = frame_text((struct str){json, 300});

	ck_assert_mem_eq(frame->data, ((const unsigned char[]){0x81, 126, 0x01, 0x2c}), 4);
	msgbuf_unref(frame);
	frame = frame_text((struct str){json, 66000});
	ck_assert_mem_eq(frame->data, ((const unsigned char[]){0x81, 127, 0, 0, 0, 0, 0, 1, 0x01, 0xd0}), 10);
	msgbuf_unref(frame);
}
END_TEST

static struct key room(struct str name)
{
	struct key key;
	ck_assert_int_eq(key_from_name(KEY_ROOM, name, &key), 0);
	return key;
}

START_TEST(writes_messages)
{
	struct key lobby = room(STR("eu.lobby")), odd = room(STR("a\"\\\xc3\xbc/#"));
	struct message m = {.id = STR("01J"), .ts = 1790000000000, .from = STR("7"), .body = STR(" {\"a\": 1}\n")};

	assert_frame(frame_message(&lobby, &m),
	             "{\"op\":\"message\",\"room\":\"eu.lobby\",\"id\":\"01J\",\"ts\":1790000000000,"
	             "\"from\":\"7\",\"type\":\"message\",\"data\": {\"a\": 1}\n}");
	m.from = STR("a\"b");
	m.app = STR("ignored");
	m.type = STR("chat.line");
	m.body = STR("1");
	assert_frame(frame_message(&odd, &m),
	             "{\"op\":\"message\",\"room\":\"a\\\"\\\\\xc3\xbc/#\",\"id\":\"01J\",\"ts\":1790000000000,"
	             "\"from\":\"a\\\"b\",\"type\":\"chat.line\",\"data\":1}");
}
END_TEST

START_TEST(writes_notifications)
{
	struct message m = {.ts = 1, .app = STR("billing"), .type = STR("invoice.paid"), .body = STR("[1]")};

	assert_frame(frame_notify(&m),
	             "{\"op\":\"notify\",\"ts\":1,\"app\":\"billing\",\"type\":\"invoice.paid\",\"data\":[1]}");
	m = (struct message){.ts = UINT64_MAX, .id = STR("\"\\"), .body = STR_NONE};
	assert_frame(
	    frame_notify(&m),
	    "{\"op\":\"notify\",\"id\":\"\\\"\\\\\",\"ts\":18446744073709551615,\"type\":\"message\",\"data\":null}");
}
END_TEST

static void assert_body(struct str content_type, struct str body, const char *expected)
{
	struct message m = {.ts = 5, .content_type = content_type, .body = body};
	char text[500];

	snprintf(text, sizeof(text), "{\"op\":\"notify\",\"ts\":5,\"type\":\"message\",%s}", expected);
	assert_frame(frame_notify(&m), text);
}

START_TEST(embeds_bodies_as_what_they_are)
{
	const struct str any = STR_NONE;

	assert_body(any, STR(""), "\"data\":null");
	assert_body(any, STR_NONE, "\"data\":null");
	assert_body(any, STR("null"), "\"data\":null");
	assert_body(any, STR("{\"a\":[1,2]}"), "\"data\":{\"a\":[1,2]}");
	assert_body(any, STR("\"\\ud800\""), "\"data\":\"\\ud800\"");
	assert_body(any, STR("NaN"), "\"text\":\"NaN\"");
	assert_body(any, STR("{} x"), "\"text\":\"{} x\"");
	assert_body(any, STR("a\"\n\x01\\"), "\"text\":\"a\\\"\\n\\u0001\\\\\"");
	assert_body(any, STR("\"a\nb\""), "\"text\":\"\\\"a\\nb\\\"\"");
	assert_body(any, STR(" "), "\"text\":\" \"");
	assert_body(any, STR("\xef\xbb\xbf{}"), "\"text\":\"\xef\xbb\xbf{}\"");
	assert_body(any, STR("\xff\xfe"), "\"base64\":\"//4=\"");
	assert_body(any, STR("\"\xed\xa0\x80\""), "\"base64\":\"Iu2ggCI=\"");
	assert_body(any, STR("\0"), "\"text\":\"\\u0000\"");
}
END_TEST

/* Client libraries fill in text/plain or octet-stream unasked: what counts is the body. */
START_TEST(looks_at_the_body_whatever_its_content_type)
{
	assert_body(STR("text/plain"), STR("1"), "\"data\":1");
	assert_body(STR("application/octet-stream"), STR("{}"), "\"data\":{}");
	assert_body(STR("application/json"), STR("x"), "\"text\":\"x\"");
}
END_TEST

static void assert_field_left_out(struct str field)
{
	struct message m = {.ts = 5, .id = field, .from = field, .app = field, .type = field, .body = STR("1")};
	assert_frame(frame_notify(&m), "{\"op\":\"notify\",\"ts\":5,\"type\":\"message\",\"data\":1}");
}

START_TEST(leaves_out_fields_that_could_break_a_client)
{
	char text[256];

	memset(text, 'a', sizeof(text));
	assert_field_left_out(STR_NONE);
	assert_field_left_out(STR(""));
	assert_field_left_out(STR("a\xff"));
	assert_field_left_out(STR("\xed\xa0\x80"));
	assert_field_left_out(STR("a\nb"));
	assert_field_left_out(STR("a\0"));
	assert_field_left_out(STR("\x7f"));
	assert_field_left_out(STR("x\xc2\x85y"));
	assert_field_left_out((struct str){text, 256});
}
END_TEST

START_TEST(shows_the_app_when_from_cannot_be_shown)
{
	struct message m = {.ts = 5, .from = STR("\xff"), .app = STR("\xc2\xa0"), .body = STR("1")};

	assert_frame(frame_notify(&m), "{\"op\":\"notify\",\"ts\":5,\"app\":\"\xc2\xa0\",\"type\":\"message\",\"data\":1}");
}
END_TEST

START_TEST(carries_large_bodies_of_every_form)
{
	static char body[100000];

	for (int form = 0; form < 3; form++) {
		memset(body, 'a', sizeof(body));
		body[0] = body[sizeof(body) - 1] = '"';
		body[500] = form == 0 ? 'a' : form == 1 ? '\n' : (char)0xff;
		struct message m = {.ts = 5, .body = {body, sizeof(body)}};
		struct str payload = payload_of(frame_notify(&m));
		ck_assert(json_valid(payload));
		ck_assert_uint_gt(payload.n, sizeof(body));
	}
}
END_TEST

CHECK_MAIN("wire.frame", writes_headers_of_every_size, writes_a_header_byte_by_byte, writes_messages,
           writes_notifications, embeds_bodies_as_what_they_are, looks_at_the_body_whatever_its_content_type,
           leaves_out_fields_that_could_break_a_client, shows_the_app_when_from_cannot_be_shown,
           carries_large_bodies_of_every_form)
