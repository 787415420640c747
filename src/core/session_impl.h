/* The inside of a session, for core alone. */
#ifndef GRID_CORE_SESSION_IMPL_H
#define GRID_CORE_SESSION_IMPL_H

#include <stdalign.h>

#include "base/msgbuf.h"
#include "base/ulid.h"
#include "core/errors.h"
#include "core/outq.h"
#include "core/session.h"
#include "core/topics.h"
#include "core/transport.h"
#include "wire/request.h"

#define CACHE_LINE 64

enum session_state { SESSION_OPENING, SESSION_OPEN, SESSION_CLOSING };

/* What a delivery needs lies in the first cache line, which is all of a session that it fetches. For the gain, which
 * was measured together with that of the array, see members.h. */
struct session {
	alignas(CACHE_LINE) struct hub *hub;
	void *conn;                                  /* the transport's */
	struct session *touched_prev, *touched_next; /* hub->touched; two-way, since thousands may close in one turn */
	struct outq out;
	uint8_t state; /* enum session_state; changed by set_state() only */
	bool touched;
	bool buried;
	bool paused;
	uint32_t rooms;

	struct session *prev, *next;                 /* all sessions of the hub */
	struct session *closing_prev, *closing_next; /* hub->closing */
	struct subscription *own;  /* its user's key, until the socket is gone: what it takes tells by that whose it was */
	struct subscription *subs; /* all, the own one included */
	struct publish *publishes; /* under way */
	struct ulid id;
	uint16_t parked; /* publishes waiting for room in the bus' window: not read from meanwhile */
	uint32_t faults; /* a bucket that leaks one a second, see fault() */
	uint64_t faults_at_ms;
};

/* session_out.c */

/* Appends a frame for the client: charged, and closed as too slow when it is over its limit. Takes a reference of its
 * own. Does nothing once CLOSING. */
void session_push(struct session *s, struct msgbuf *frame);
/* The same for one that waited for its user. False: there is no room for it. */
bool session_offer(struct session *s, struct msgbuf *frame);
/* It has not read, or there was no memory to keep something for it: drops what waits for it and closes it. */
void session_too_slow(struct session *s);
void session_drop_output(struct session *s);

/* session.c */

/* Appends text built here as a frame; resets the buffer. */
void session_push_text(struct session *s, struct buf *json);

/* Opens an answer in `out`: `{"op":"ok","ref":...`; the caller appends `,"k":v` and session_push_text() after '}'. */
void session_begin_ok(struct buf *out, struct str ref);
void session_fail(struct session *s, struct str ref, enum error_code code, const char *message);

/* After the user's key is bound, or cannot be now: sends `welcome`, starts reading. */
void session_welcome(struct session *s, bool bound);
/* `bye` (with a retry when retry_ms >= 0), then the close. */
void session_bye(struct session *s, const char *code, int64_t retry_ms, uint16_t close_code, const char *reason);
/* Closes; what it holds of topics and publishes is given back on the hub's next flush. */
void session_close(struct session *s, uint16_t code, const char *reason);
/* Gives back what it holds of others; afterwards only its own output is left, and its user's key. */
void session_let_go(struct session *s);
/* Stop or go on reading, whatever asks for it. */
void session_update_pause(struct session *s);
/* Its name, as `from`; empty before it is known. */
struct str session_user(const struct session *s, char name[NAME_ENCODED_MAX]);

#endif
