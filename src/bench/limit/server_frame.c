#include "bench/limit/server_frame.h"

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f
#define LENGTH_16 126 /* the length follows in 2 bytes */
#define LENGTH_64 127 /* in 8 */
#define CONTROL_MAX 125
#define MASK_BYTES 4

enum { CLOSE_BROKEN = 1002, CLOSE_UNSUPPORTED = 1003, CLOSE_TOO_LARGE = 1009 };

/* 0, or the code to refuse the frame with. */
static unsigned check_header(const unsigned char *p)
{
	unsigned opcode = p[0] & OPCODE;
	bool control = opcode >= WS_CLOSE;

	if ((p[0] & RESERVED) || !(p[1] & MASKED) || opcode > WS_PONG)
		return CLOSE_BROKEN;
	if (control)
		return (p[0] & FIN) && (p[1] & LENGTH) <= CONTROL_MAX ? 0 : CLOSE_BROKEN;
	return (p[0] & FIN) && opcode == WS_TEXT ? 0 : CLOSE_UNSUPPORTED;
}

static uint64_t big_endian(const unsigned char *p, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | p[i];
	return value;
}

static size_t length_bytes(unsigned length)
{
	return length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
}

static void unmask(char *p, size_t n, const char mask[MASK_BYTES])
{
	for (size_t i = 0; i < n; i++)
		p[i] ^= mask[i % MASK_BYTES];
}

int server_frame_take(char **pp, size_t *np, struct server_frame *out)
{
	const unsigned char *head = (const unsigned char *)*pp;

	if (*np < 2)
		return SERVER_FRAME_E_MORE;
	out->refusal = check_header(head);
	if (out->refusal)
		return SERVER_FRAME_E_REFUSED;
	size_t extra = length_bytes(head[1] & LENGTH);
	if (*np < 2 + extra + MASK_BYTES)
		return SERVER_FRAME_E_MORE;
	uint64_t length = extra ? big_endian(head + 2, extra) : head[1] & LENGTH;
	if (length > SERVER_PAYLOAD_MAX) {
		out->refusal = CLOSE_TOO_LARGE;
		return SERVER_FRAME_E_REFUSED;
	}
	char *payload = *pp + 2 + extra + MASK_BYTES;
	size_t size = 2 + extra + MASK_BYTES + (size_t)length;
	if (*np < size)
		return SERVER_FRAME_E_MORE;
	unmask(payload, (size_t)length, payload - MASK_BYTES);
	out->opcode = (enum ws_opcode)(head[0] & OPCODE);
	out->payload = (struct str){payload, (size_t)length};
	*pp += size;
	*np -= size;
	return 0;
}

void server_frame_put(struct buf *out, enum ws_opcode opcode, struct str payload)
{
	size_t extra = payload.n < LENGTH_16 ? 0 : payload.n <= UINT16_MAX ? 2 : 8;

	buf_putc(out, (char)(FIN | opcode));
	buf_putc(out, (char)(extra == 0 ? payload.n : extra == 2 ? LENGTH_16 : LENGTH_64));
	for (size_t i = extra; i > 0; i--)
		buf_putc(out, (char)(payload.n >> (8 * (i - 1))));
	buf_put_str(out, payload);
}
