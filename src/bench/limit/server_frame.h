/* Websocket framing from the server's side (RFC 6455 section 5), as much as a bare server needs: whole messages, in one
 * frame each. Pure. */
#ifndef GRID_BENCH_LIMIT_SERVER_FRAME_H
#define GRID_BENCH_LIMIT_SERVER_FRAME_H

#include "bench/ws_frame.h"

#define SERVER_PAYLOAD_MAX (1u << 20)

enum { SERVER_FRAME_E_MORE = 1, SERVER_FRAME_E_REFUSED };

struct server_frame {
	enum ws_opcode opcode; /* TEXT, CLOSE, PING, PONG */
	struct str payload;    /* in the bytes given, unmasked there */
	unsigned refusal;      /* SERVER_FRAME_E_REFUSED: the code to close with (section 7.4.1) */
};

/* Takes a client's next frame off the front of `*pp`, `*np` bytes, and unmasks it. SERVER_FRAME_E_MORE: it is not all
 * there, and nothing is changed. SERVER_FRAME_E_REFUSED: broken, or not masked (1002); binary or in fragments (1003);
 * too large (1009). */
GRID_MUST_CHECK int server_frame_take(char **pp, size_t *np, struct server_frame *out);
/* Appends a server's frame: whole, not masked. */
void server_frame_put(struct buf *out, enum ws_opcode opcode, struct str payload);

#endif
