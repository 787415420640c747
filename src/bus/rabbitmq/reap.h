/* How a dead node's queue is taken apart: the decisions. reaper.c sends what is asked for here and tells what came.
 *
 *   IDLE ▶ OPENING ▶ LOOKING ▶ CLAIMING ▶ EMPTYING ▶ CATCHING ▶ CANCELLING ▶ DELETING ▶ RELEASING ▶ CLOSING ▶ IDLE
 *             ▲                                                                 │
 *             └──────────────────────── something came in ──────────────────────┘
 *
 * From LOOKING and CLAIMING back to IDLE when it is not there, or somebody has it; from anywhere to CLOSING when the
 * owner shows signs of life. RELEASING also follows OPENING while something is caught from before.
 *
 * Deleting a queue that still has bindings loses messages: for as long as it takes the broker to remove them (a second
 * for 1,000) it routes to a queue that is no more, and confirms. So for that long our own queue catches every user's
 * messages: they are strays there, and handed over. What is caught is released whatever happens in between.
 *
 * No connection, no clock; times are monotonic milliseconds. */
#ifndef GRID_BUS_RABBITMQ_REAP_H
#define GRID_BUS_RABBITMQ_REAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define REAP_UNBIND_EVERY_MS 5
#define REAP_STUCK_MS 10000 /* nothing of what is held could be handed over for so long */
#define REAP_PREFETCH 64    /* of the queue being reaped: the node's own deliveries come first */

enum reap_state {
	REAP_IDLE,
	REAP_OPENING,    /* a channel */
	REAP_RELEASING,  /* our own queue catches no more */
	REAP_LOOKING,    /* is it there? */
	REAP_CLAIMING,   /* consume it, exclusively */
	REAP_EMPTYING,   /* hand over what comes, until nothing has for a while */
	REAP_CATCHING,   /* our own queue gets every user's messages, too */
	REAP_CANCELLING, /* consume no more */
	REAP_DELETING,   /* if it is empty, and nobody consumes it */
	REAP_CLOSING,    /* the channel */
	REAP_STATES,
};

/* What to send. One is under way at a time; each has one answer. */
enum reap_request {
	REAP_NOTHING,
	REAP_OPEN,
	REAP_RELEASE,
	REAP_LOOK,
	REAP_CONSUME,
	REAP_UNBIND,
	REAP_CATCH,
	REAP_CANCEL,
	REAP_DELETE,
	REAP_CLOSE,
};

/* What became of the queue. */
enum reap_end {
	REAP_GOES_ON,
	REAP_DELETED,
	REAP_GONE,         /* there is no such queue (any more) */
	REAP_TAKEN,        /* somebody else has it, or the broker does not let us: later perhaps */
	REAP_STUCK,        /* what came out of it cannot be handed over at the moment */
	REAP_STEPPED_BACK, /* its owner is alive */
	REAP_ENDS,
};

struct reap {
	enum reap_state state;
	enum reap_request asked; /* its answer is due */
	bool caught;             /* our own queue may be bound to every user's key */
	bool queue;              /* there is one to be reaped; else only what is caught is released */
	enum reap_end end;
	uint64_t linger_ms;
	uint64_t last_message_ms;
	uint64_t moved_ms; /* last time nothing was held, or something was done with */
	uint64_t unbind_at_ms;
};

/* How things stand. */
struct reap_view {
	uint64_t now_ms;
	bool holding; /* messages out of the queue are not acknowledged yet */
	bool unbinds; /* keys wait to be unbound */
};

/* A process starts as if an earlier life of it had died while it was catching. */
void reap_init(struct reap *r);
/* The link is lost: idle again. What is caught stays so. */
void reap_link_lost(struct reap *r);
/* Only when idle. The queue is deleted when nothing has come out of it for `linger_ms`. */
void reap_begin(struct reap *r, uint64_t linger_ms, uint64_t now_ms);
/* Only when idle, and something may be caught. */
void reap_begin_release(struct reap *r);

/* What to send now. */
enum reap_request reap_next(struct reap *r, const struct reap_view *view);
/* The broker's ok to what is `asked`. */
void reap_answered(struct reap *r, uint64_t now_ms);
/* The broker closed the channel instead; `gone`: there is no such queue. */
void reap_refused(struct reap *r, bool gone);
/* The broker ended our consumer. */
void reap_cancelled(struct reap *r);
/* A message came out of the queue; one of them is done with. */
void reap_message(struct reap *r, uint64_t now_ms);
void reap_settled(struct reap *r, uint64_t now_ms);
/* The owner shows signs of life: what we hold goes back, in order, when the channel is closed. */
void reap_step_back(struct reap *r);

/* Are messages taken that come out of the queue? */
bool reap_takes(const struct reap *r);
/* What became of the queue, once it is decided; told once. */
enum reap_end reap_take_end(struct reap *r);

#endif
