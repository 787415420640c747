/* Websocket framing from the client's side (RFC 6455 section 5). Pure: bytes in, messages out, and the other way. */
#ifndef GRID_BENCH_WS_FRAME_H
#define GRID_BENCH_WS_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum ws_opcode {
	WS_CONTINUATION = 0x0,
	WS_TEXT = 0x1,
	WS_BINARY = 0x2,
	WS_CLOSE = 0x8,
	WS_PING = 0x9,
	WS_PONG = 0xa,
};

#define WS_MESSAGE_MAX (16u << 20) /* more than any node sends; larger ones are malformed */
#define WS_CODE_NONE 1005          /* RFC 6455 7.4.1: a close frame without a code */
#define WS_CODE_LOST 1006          /* no close frame at all */

enum { WS_E_MORE = 1, WS_E_MALFORMED };

/* What is left of a message in fragments. All zero: ready. */
struct ws_reader {
	struct buf fragments;
	bool fragmented;
};

struct ws_message {
	enum ws_opcode opcode; /* TEXT, BINARY, CLOSE, PING, PONG */
	struct str payload;    /* in the bytes given, or in the reader until its next message */
};

/* Takes the next message off the front of `in`; control frames come between the fragments of others. WS_E_MORE: it is
 * not all there, what there is of it stays in `in`. WS_E_MALFORMED: a broken frame, a masked one, or too large.
 * -ENOMEM.
 */
GRID_MUST_CHECK int ws_read(struct ws_reader *reader, struct str *in, struct ws_message *out);
void ws_reader_deinit(struct ws_reader *reader);

/* Appends one whole frame, masked as a client must (section 5.3). */
void ws_put(struct buf *out, enum ws_opcode opcode, struct str payload, uint32_t mask);
/* The code in a close frame's payload. */
unsigned ws_close_code(struct str payload);

#endif
