/* One websocket to the grid: connects, shakes hands, reads and writes without ever waiting. Answers pings and closes
 * itself; who owns it learns of everything else by its handler.
 *
 *   CLOSED ──open()──▶ CONNECTING ──▶ HANDSHAKE ──▶ OPEN ──▶ CLOSED     (and from each of them straight to CLOSED)
 */
#ifndef GRID_BENCH_WS_CONN_H
#define GRID_BENCH_WS_CONN_H

#include <netinet/in.h>

#include "bench/arrival.h"
#include "bench/reactor.h"
#include "bench/url.h"
#include "bench/ws_frame.h"
#include "bench/ws_handshake.h"

#define WS_READ_MAX (256u << 10)

enum ws_state {
	WS_STATE_CLOSED,
	WS_STATE_CONNECTING, /* TCP */
	WS_STATE_HANDSHAKE,
	WS_STATE_OPEN,
};

struct ws_conn;

/* Why a connection ended: the grid's close code, else WS_CODE_LOST and an errno or an HTTP status. */
struct ws_end {
	unsigned code;
	int error;  /* errno; 0: none */
	int status; /* HTTP; 0: none */
};

struct ws_handler {
	/* It is OPEN. */
	void (*opened)(struct ws_conn *conn);
	/* A text or binary message. */
	void (*text)(struct ws_conn *conn, struct str text);
	/* It is CLOSED. It may be opened again, but not from in here. */
	void (*ended)(struct ws_conn *conn, const struct ws_end *end);
};

/* What all connections of a thread share. */
struct ws_shared {
	struct reactor *reactor;
	struct dice dice;
	struct arrival_clock clock;
	uint64_t came_us; /* when what is being read, or the last of it, came; monotonic */
	char *input;      /* WS_READ_MAX bytes to read into: what is incomplete afterwards is kept by the connection */
};

struct ws_conn {
	struct watch watch;
	struct ws_shared *shared;
	const struct ws_handler *handler;
	enum ws_state state;
	struct ws_key key;
	struct ws_reader reader;
	struct buf in;  /* an incomplete frame */
	struct buf out; /* not sent yet, from `sent` on */
	size_t sent;
	bool wants_out;
};

/* -ENOMEM. */
GRID_MUST_CHECK int ws_shared_init(struct ws_shared *shared, struct reactor *reactor, uint64_t seed);
void ws_shared_deinit(struct ws_shared *shared);

void ws_conn_init(struct ws_conn *conn, struct ws_shared *shared, const struct ws_handler *handler);
/* Without a word; the handler is not called. */
void ws_conn_deinit(struct ws_conn *conn);

/* Begins to connect, from `source` (NULL: any address). `target` is path and query, `subprotocol` what is offered
 * (NULL: none). -errno: it is still CLOSED. */
GRID_MUST_CHECK int ws_conn_open(struct ws_conn *conn, const struct url *url, const struct sockaddr_in *source,
                                 const char *target, const char *subprotocol);
/* Queues a text frame; ws_conn_flush() sends what is queued. Only while OPEN. */
void ws_conn_send(struct ws_conn *conn, struct str text);
void ws_conn_flush(struct ws_conn *conn);
/* From now on nothing will be sent on it, or next to nothing. Only while OPEN. */
void ws_conn_only_listens(struct ws_conn *conn);
/* Bytes that are queued. */
static inline size_t ws_conn_unsent(const struct ws_conn *conn)
{
	return conn->out.n - conn->sent;
}
/* Cuts it; the handler's ended() is called with this errno. */
void ws_conn_abort(struct ws_conn *conn, int error);

#endif
