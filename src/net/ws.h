/* One websocket: libwebsockets on one side, a session of core on the other.
 *
 *   OPEN ──close()──▶ CLOSING ──all sent──▶ CLOSE_SENT ──peer's close──▶ (gone)
 *     ├──peer's close──▶ ANSWERING ──echoed──▶ (gone)
 *     ├──protocol error found by libwebsockets──▶ ANSWERING
 *     └──and each of these, when it takes too long──▶ KILLED ──▶ (gone)
 *
 * conn_send() is the one place that writes; the close frame goes out with it, behind the last of the queue. What we
 * start to close, libwebsockets never learns of until the peer's close frame is there: its own close would take a timer
 * from its sorted list for each, and hang up after five seconds on a queue that is still draining. */
#ifndef GRID_NET_WS_H
#define GRID_NET_WS_H

#include "net/server_impl.h"
#include "net/upgrade.h"

/* The protocols for libwebsockets. */
extern const struct lws_protocols ws_protocols[];

/* Room for what one send gathers. */
#define WS_SCRATCH 65536

/* Makes a websocket, and its session, of a socket; takes `fd`. */
void ws_adopt(struct server *server, int fd, struct arrival *arrival);

/* struct transport */
void ws_flush(void *conn);
void ws_close(void *conn, uint16_t code, const char *reason);
void ws_pause(void *conn, bool paused);

/* Wheel callback of server->conns. */
void ws_due(struct wheel_entry *entry, uint64_t now_ms, void *server);

#endif
