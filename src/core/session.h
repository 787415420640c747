/* One websocket, as the rules of the service see it: who it is, which rooms it is in, what waits to be sent to it.
 *
 *   OPENING ──key bound──▶ OPEN ──▶ CLOSING ──▶ (freed after session_closed())
 *      └── not read from ──┘
 *
 * Nothing is sent before `welcome`; so until the user's own key is bound the socket is not read from either. */
#ifndef GRID_CORE_SESSION_H
#define GRID_CORE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/str.h"

struct hub;
struct session;
struct msgbuf;

/* What the handshake brought; everything may be STR_NONE. */
struct handshake {
	struct str query_user;  /* ?user=, URL-decoded */
	struct str query_token; /* ?token= */
	struct str bearer;      /* Authorization: Bearer */
	struct str address;     /* the client's, for the log */
};

/* A new websocket. NULL only when out of memory (the caller then just drops the socket). Bad credentials and a node
 * that drains are answered on the socket. The transport's functions may be called at once. */
struct session *session_open(struct hub *hub, void *conn, const struct handshake *handshake, struct now now);

/* One complete text frame, valid UTF-8 or not (JSON that is not is answered `bad_json`), at most limits.frame bytes. */
void session_receive(struct session *s, struct str frame, struct now now);

/* The socket is gone; `s` is invalid afterwards. */
void session_closed(struct session *s, struct now now);

/* Moves whole frames, oldest first, to `dst` as long as they fit in `max`; returns the bytes copied. 0 with a first one
 * larger than `max`: session_take() gives it as it is. */
size_t session_gather(struct session *s, unsigned char *dst, size_t max);
/* The oldest frame, with its reference, or NULL when nothing waits. */
struct msgbuf *session_take(struct session *s);
bool session_has_output(const struct session *s);
bool session_has_one_frame(const struct session *s);
/* Appends a frame (a ping); takes a reference of its own. */
void session_send(struct session *s, struct msgbuf *frame);

/* For log lines: `session=… user=…`, valid until the next call. */
const char *session_describe(const struct session *s);

#endif
