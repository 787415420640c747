/* The topic registry: which keys this node wants, what the bus has of them, and who subscribes.
 *
 * A topic is one key. It is wanted while it has a subscriber or lingers after the last one left, or after it was found
 * bound by an earlier life of the node. What the bus has moves
 * like this; the next operation is a pure function of the two, topic_next_op():
 *
 *         ┌───────── restored ──────────────┐
 *         │    bind sent            bound   ▼
 *        NO ─────────────▶ ASKED ─────────▶ YES
 *        ▲ ▲    refused      │               │ unbind sent
 *        │ └─────────────────┤ link lost     ▼
 *        │                   │           REMOVING
 *        │  unbound          ▼               │
 *        ├────────────── UNKNOWN ◀───────────┤ link lost
 *        └───────────────────────────────────┘ unbound (or refused twice)
 *
 *   wanted:     NO, UNKNOWN → bind        ASKED, YES, REMOVING → wait
 *   not wanted: YES, UNKNOWN → unbind     ASKED, REMOVING → wait      NO → forget
 *
 * The registry is the queue of operations, too: topics that want a move stand in it (binds of users, then of rooms,
 * then those nobody waits for, then unbinds), and whoever talks to the bus takes the next one when the bus has room. It
 * never calls the bus itself.
 */
#ifndef GRID_CORE_TOPICS_H
#define GRID_CORE_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>

#include "base/err.h"
#include "base/metrics.h"
#include "base/str.h"
#include "core/members.h"
#include "wire/names.h"

struct session;

#define TOPICS_WAITERS_MAX 8 /* of one subscription */
#define TOPICS_UNBINDS_BEHIND 1000

enum { TOPICS_E_TOO_MANY = 1 };

enum topic_has { TOPIC_NO, TOPIC_ASKED, TOPIC_YES, TOPIC_REMOVING, TOPIC_UNKNOWN };
enum topic_op { TOPIC_OP_NONE, TOPIC_OP_BIND, TOPIC_OP_UNBIND, TOPIC_OP_FORGET };
enum topic_answer { TOPIC_ANSWER_OK, TOPIC_ANSWER_REFUSED, TOPIC_ANSWER_LOST };

enum topic_op topic_next_op(bool wanted, enum topic_has has);

/* One request that waits for its topic to be bound. */
struct waiter {
	struct waiter *next;
	size_t ref_len;
	char ref[]; /* raw JSON to echo; empty: no ref */
};

/* A session that wants a topic: in the topic's list and in the session's, freed with topics_unsubscribe(). */
struct subscription {
	struct topic *topic;
	struct session *session;
	union {
		struct {
			struct subscription *prev, *next;
		};              /* in topic->waiting */
		uint32_t place; /* among topic->members */
	};
	struct subscription *session_prev, *session_next; /* in the session's list */
	struct waiter *waiters;                           /* oldest first; only while waiting */
	uint8_t n_waiters;
	bool waiting; /* not bound yet: gets no messages */
};

enum topic_linger { LINGER_USER, LINGER_ROOM, LINGER_RESTORED, LINGER_COUNT };
/* ANEW: binds that nobody waits for. */
enum topic_queue {
	QUEUE_BIND_USER,
	QUEUE_BIND_ROOM,
	QUEUE_ANEW_USER,
	QUEUE_ANEW_ROOM,
	QUEUE_UNBIND,
	QUEUE_COUNT,
	QUEUE_NONE = QUEUE_COUNT
};

struct topic {
	UT_hash_handle hh;
	struct members members;       /* get messages; with room for the waiting */
	uint32_t n_subs;              /* members and waiting */
	struct subscription *waiting; /* bound? then members */
	struct topic *move_prev, *move_next;
	struct topic *linger_prev, *linger_next;
	uint64_t linger_until; /* monotonic ms; 0: does not linger */
	uint8_t linger;        /* enum topic_linger, while it does */
	uint8_t has;           /* enum topic_has */
	uint8_t queue;         /* enum topic_queue it stands in */
	uint8_t refused;       /* refusals in a row of the operation that is wanted */
	bool held;             /* refused twice with members: tried again by topics_retry_held() */
	struct key key;
};

struct topics_counters {
	struct counter topics;
	struct counter bound;
	struct counter subscriptions;
	struct counter moves;
	struct counter lingering;
};

struct topics {
	struct topic *by_key;
	struct topic *queues[QUEUE_COUNT];
	size_t queued[QUEUE_COUNT];            /* how many in each */
	bool unbind_owed;                      /* the last move was a bind */
	bool anew_owed;                        /* the last move was a bind somebody waits for */
	struct topic *lingering[LINGER_COUNT]; /* one linger time each, so oldest first is soonest due first */
	uint64_t linger_ms[LINGER_COUNT];
	size_t held; /* topics with `held` set */
	struct metric_registry *metrics;
	struct metric_set metric_set;
	struct topics_counters counters;
};

void topics_init(struct topics *t, const uint64_t linger_ms[LINGER_COUNT], struct metric_registry *metrics);
/* No subscription may be left. */
void topics_deinit(struct topics *t);

struct topic *topics_find(struct topics *t, const struct key *key);

/* A new subscription of `session` (prepended to *listp, the session's list), waiting unless the topic is bound already.
 * -ENOMEM. */
GRID_MUST_CHECK int topics_subscribe(struct topics *t, const struct key *key, struct session *session,
                                     struct subscription **listp, struct subscription **subp);
/* Ends it, frees it and its waiters; the topic lingers when it was the last and may be bound. */
void topics_unsubscribe(struct topics *t, struct subscription *sub, struct subscription **listp, uint64_t now_ms);
/* A request to answer once `sub` no longer waits. TOPICS_E_TOO_MANY: so many wait already that a client who asks again
 * and again must be told no, because nothing else bounds what it can pile up meanwhile. -ENOMEM. */
GRID_MUST_CHECK int subscription_wait(struct subscription *sub, struct str ref);
/* Takes the oldest waiter, the caller's to free(), or NULL. */
struct waiter *subscription_next_waiter(struct subscription *sub);
/* It waits no longer: a member of its topic from now on. */
void subscription_admit(struct subscription *sub);

/* The next topic that wants a move, and which: BIND or UNBIND. NULL: none (or only unbinds, with `unbinds` false).
 * Binds go first, until unbinds are far behind: then every other move is an unbind, with `unbinds` false too. Else
 * those who join and leave faster than unbinds go could have the bus bind more and more. Likewise every other bind is
 * one that nobody waits for, if there are any: they may be of members who hear nothing until then. */
struct topic *topics_next_move(struct topics *t, bool unbinds, enum topic_op *opp);
/* The bus accepted the move. */
void topics_moved(struct topics *t, struct topic *topic, enum topic_op op);

/* What an answer means for those who subscribe. */
enum topic_outcome {
	TOPIC_NOTHING_NEW,
	TOPIC_BOUND,   /* the waiting can be admitted */
	TOPIC_REFUSED, /* for the second time: the waiting must be told; members, if any, are tried again later */
};
/* The bus answered the move under way. With TOPIC_NOTHING_NEW the topic may be gone afterwards. */
enum topic_outcome topics_answered(struct topics *t, struct topic *topic, enum topic_answer answer);
/* The bus holds this key from an earlier life of the node: it lingers, so that whoever comes back finds it bound, and
 * those who wait for it can be admitted. -ENOMEM. */
GRID_MUST_CHECK int topics_restore(struct topics *t, const struct key *key, uint64_t now_ms);
/* What was bound is bound no longer, as far as is known: topics with subscribers are bound anew, the others unbound. */
void topics_bindings_lost(struct topics *t);
/* Most of what was bound still is: all that is wanted is bound anew, to be sure; what lingers goes on lingering. */
void topics_bindings_unsure(struct topics *t);
/* Gives held topics another try. */
void topics_retry_held(struct topics *t);
/* Ends lingers that are due. */
void topics_tick(struct topics *t, uint64_t now_ms);

#endif
