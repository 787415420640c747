/* What core asks of whoever owns the sockets (net/). All on the loop thread. A `conn` is the transport's; core got it
 * with session_open() and forgets it in session_closed(). None of these calls back into core before it returns. */
#ifndef GRID_CORE_TRANSPORT_H
#define GRID_CORE_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CLOSE_NORMAL = 1000, /* only ever of clients */
	CLOSE_NOT_TEXT = 1003,
	CLOSE_BAD_UTF8 = 1007,
	CLOSE_TOO_BIG = 1009,
	CLOSE_DRAIN = 1012,
	CLOSE_TRY_LATER = 1013,
	CLOSE_UNAUTHORIZED = 4001,
	CLOSE_TOO_SLOW = 4004,
	CLOSE_ABUSE = 4005,
};

struct transport {
	/* Some session has frames to send: call hub_flush() when nothing is left to read, before long. */
	void (*flush_soon)(void *ctx);
	/* This session has frames: take them with session_gather() and send; what the socket does not take stays in the
	 * session until it is writable. Called from hub_flush(), and when a session's queue is full. */
	void (*flush)(void *conn);
	/* Send what is queued, then a close frame, then close; deliver nothing more of it to core but session_closed(),
	 * which comes in the end whatever happens: a peer that reads nothing is reset after 2 s without progress. */
	void (*close)(void *conn, uint16_t code, const char *reason);
	/* Stop, or go on, reading from this socket. */
	void (*pause)(void *conn, bool paused);
};

#endif
