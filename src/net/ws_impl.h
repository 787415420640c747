/* The inside of a websocket connection, shared by ws.c (what comes in), ws_out.c (what goes out) and ws_life.c (how
 * long it may take). */
#ifndef GRID_NET_WS_IMPL_H
#define GRID_NET_WS_IMPL_H

#include "net/ws.h"

enum conn_state {
	CONN_NEW = 0,    /* memory from libwebsockets, no session yet, or no longer */
	CONN_OPEN,       /* the only state in which core hears of anything but the end */
	CONN_CLOSING,    /* sending what is queued, our close frame last */
	CONN_CLOSE_SENT, /* waiting for the peer's */
	CONN_ANSWERING,  /* libwebsockets is closing: it writes, we do not */
	CONN_KILLED,     /* to be dropped by libwebsockets in its next turn */
};

/* One per websocket, in the memory libwebsockets allocates with it (so it lives until after LWS_CALLBACK_CLOSED). */
struct conn {
	/* What a send needs, together. */
	struct lws *wsi;
	struct server *server;
	struct session *session;
	struct msgbuf *close_frame; /* CLOSING: what goes out last */
	int fd;
	uint8_t state;  /* enum conn_state */
	uint8_t ending; /* enum ending */
	bool paused;
	bool wrote; /* closing: the socket was writable since the last look */

	struct wheel_entry due;
	struct buf message;  /* the pieces of a message that is not complete */
	uint64_t heard_ms;   /* when something came */
	uint64_t give_up_ms; /* closing: at the latest */
	uint64_t progress;   /* closing: see sock_progress() */
};

/* ws_out.c */
/* Sends what the session has, as far as the socket takes it, and the close frame behind it. */
void conn_send(struct conn *c);

/* ws_life.c */
void conn_set_state(struct conn *c, enum conn_state state);
/* Begins a close of ours, once; later ones change nothing. */
void conn_close(struct conn *c, uint16_t code, const char *reason);
/* Drops it: with a reset, or quietly. CLOSED comes from libwebsockets' next turn, never from in here. */
void conn_kill(struct conn *c, bool reset);
void conn_await_heartbeat(struct conn *c, uint64_t now_ms);
/* libwebsockets has begun to close it. */
void conn_answering(struct conn *c);

#endif
