#include "bench/ws_frame.h"

#include <errno.h>

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f
#define LENGTH_16 126 /* the length follows in 2 bytes */
#define LENGTH_64 127 /* in 8 */
#define HEADER_MAX 14
#define CONTROL_MAX 125
#define MASK_BYTES 4

struct frame {
	bool fin;
	uint8_t opcode;
	struct str payload;
	size_t size; /* with its header */
};

static bool is_control(uint8_t opcode)
{
	return opcode & 0x8;
}

static uint64_t big_endian(const unsigned char *p, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | p[i];
	return value;
}

static bool header_is_good(const unsigned char *p)
{
	uint8_t opcode = p[0] & OPCODE;
	bool known = opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);

	if (!known || (p[0] & RESERVED) || (p[1] & MASKED))
		return false;
	return !is_control(opcode) || ((p[0] & FIN) && (p[1] & LENGTH) <= CONTROL_MAX);
}

static int frame_parse(struct str in, struct frame *out)
{
	const unsigned char *p = (const unsigned char *)in.p;

	if (in.n < 2)
		return WS_E_MORE;
	if (!header_is_good(p))
		return WS_E_MALFORMED;
	uint64_t length = p[1] & LENGTH;
	size_t length_bytes = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
	if (in.n < 2 + length_bytes)
		return WS_E_MORE;
	if (length_bytes)
		length = big_endian(p + 2, length_bytes);
	if (length > WS_MESSAGE_MAX)
		return WS_E_MALFORMED;
	out->size = 2 + length_bytes + (size_t)length;
	if (in.n < out->size)
		return WS_E_MORE;
	out->fin = p[0] & FIN;
	out->opcode = p[0] & OPCODE;
	out->payload = (struct str){in.p + 2 + length_bytes, (size_t)length};
	return 0;
}

/* 0: *out is a whole message. WS_E_MORE: that was a fragment. */
static int take_data(struct ws_reader *reader, const struct frame *frame, struct ws_message *out)
{
	if ((frame->opcode == WS_CONTINUATION) != reader->fragmented)
		return WS_E_MALFORMED;
	if (frame->fin && !reader->fragmented) {
		*out = (struct ws_message){(enum ws_opcode)frame->opcode, frame->payload};
		return 0;
	}
	if (!reader->fragmented) {
		buf_reset(&reader->fragments);
		buf_putc(&reader->fragments, (char)frame->opcode);
	}
	if (reader->fragments.n + frame->payload.n > WS_MESSAGE_MAX)
		return WS_E_MALFORMED;
	buf_put_str(&reader->fragments, frame->payload);
	if (reader->fragments.failed)
		return -ENOMEM;
	reader->fragmented = !frame->fin;
	if (!frame->fin)
		return WS_E_MORE;
	/* Its first byte is the opcode that the first fragment had. */
	out->opcode = (enum ws_opcode)reader->fragments.p[0];
	out->payload = (struct str){reader->fragments.p + 1, reader->fragments.n - 1};
	return 0;
}

int ws_read(struct ws_reader *reader, struct str *in, struct ws_message *out)
{
	struct frame frame;
	int r;

	do {
		r = frame_parse(*in, &frame);
		if (r != 0)
			return r;
		*in = (struct str){in->p + frame.size, in->n - frame.size};
		if (is_control(frame.opcode)) {
			*out = (struct ws_message){(enum ws_opcode)frame.opcode, frame.payload};
			return 0;
		}
		r = take_data(reader, &frame, out);
	} while (r == WS_E_MORE);
	return r;
}

void ws_reader_deinit(struct ws_reader *reader)
{
	buf_deinit(&reader->fragments);
	*reader = (struct ws_reader){.fragmented = false};
}

static size_t put_header(unsigned char *p, enum ws_opcode opcode, size_t length, const unsigned char mask[MASK_BYTES])
{
	size_t length_bytes = length < LENGTH_16 ? 0 : length <= UINT16_MAX ? 2 : 8;

	p[0] = (unsigned char)(FIN | opcode);
	p[1] = (unsigned char)(MASKED | (length_bytes == 0 ? length : length_bytes == 2 ? LENGTH_16 : LENGTH_64));
	for (size_t i = length_bytes; i > 0; i--, length >>= 8)
		p[1 + i] = (unsigned char)length;
	memcpy(p + 2 + length_bytes, mask, MASK_BYTES);
	return 2 + length_bytes + MASK_BYTES;
}

void ws_put(struct buf *out, enum ws_opcode opcode, struct str payload, uint32_t mask)
{
	unsigned char key[MASK_BYTES];
	char *p = buf_reserve(out, HEADER_MAX + payload.n);

	if (!p)
		return;
	memcpy(key, &mask, MASK_BYTES);
	size_t header = put_header((unsigned char *)p, opcode, payload.n, key);
	for (size_t i = 0; i < payload.n; i++)
		p[header + i] = (char)(payload.p[i] ^ key[i % MASK_BYTES]);
	out->n += header + payload.n;
}

unsigned ws_close_code(struct str payload)
{
	return payload.n < 2 ? WS_CODE_NONE : (unsigned)big_endian((const unsigned char *)payload.p, 2);
}
