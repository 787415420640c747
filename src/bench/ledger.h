/* Who should have got what, and who has. Pure bookkeeping: what happened comes in with its time, sums come out.
 *
 *   publisher p ──▶ stream (p, target): messages 0, 1, 2 … each pending, acknowledged, refused or unknown
 *                        │
 *   target (a room or a user) ── all that was published to it, in order: a message's place
 *        │
 *        └── subscriptions: a session in a room (from the answer to its join), a session of a user (from its welcome);
 *            each has the place at which it began, and for each publisher the numbers it has seen
 *
 * A room's message is expected by every subscription that began at or before its place and had not ended there. So what
 * is lost needs no list per message: it is the gaps in the numbers seen, looked up when the sums are made.
 *
 * Times are microseconds of one monotonic clock and must not be 0. */
#ifndef GRID_BENCH_LEDGER_H
#define GRID_BENCH_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LEDGER_SESSION_MAX 32 /* bytes of a session's id, the NUL included; longer ones are cut */

struct ledger_config {
	uint32_t publishers;
	uint32_t targets;  /* rooms and users */
	uint32_t rooms;    /* targets below this are rooms, the others users */
	uint64_t grace_us; /* a session that lived this long after the acknowledgement should have got it */
	size_t examples;   /* of each kind of finding, kept at most */
};

struct message_id {
	uint32_t publisher;
	uint32_t target;
	uint32_t number; /* within publisher and target, from 0 */
};

enum finding {
	FINDING_LOST,
	FINDING_DOUBLED,
	FINDING_DISORDERED,
	FINDING_MISROUTED,
	FINDING_COUNT,
};

extern const char *const finding_names[FINDING_COUNT];

struct ledger_example {
	enum finding finding;
	struct message_id id;
	char session[LEDGER_SESSION_MAX]; /* "": nobody in particular */
};

struct tally_publishes {
	uint64_t attempted; /* the sum of the next four */
	uint64_t acknowledged;
	uint64_t refused;
	uint64_t unknown;
	uint64_t pending;
};

/* Deliveries. expected = delivered + lost + excused. */
struct tally_rooms {
	uint64_t acknowledged; /* messages */
	uint64_t expected;
	uint64_t delivered;
	uint64_t lost;
	uint64_t excused; /* the session ended too early to tell */
	uint64_t doubled;
	uint64_t disordered;
	uint64_t unacknowledged_delivered; /* not among `delivered` */
	uint64_t early;                    /* came to a session whose join was answered after it was published */
};

/* Messages. acknowledged = delivered + offline - both + lost. */
struct tally_users {
	uint64_t acknowledged;
	uint64_t delivered; /* to at least one session */
	uint64_t offline;
	uint64_t both;
	uint64_t lost;
	uint64_t doubled;    /* twice at one session */
	uint64_t disordered; /* at one session */
	uint64_t repeated;   /* again at a later session, or a second time in the offline queue */
	uint64_t unacknowledged_delivered;
};

struct tally {
	struct tally_publishes publishes;
	struct tally_rooms rooms;
	struct tally_users users;
	uint64_t misrouted;          /* came where it does not belong, or was never published */
	uint64_t longest_gap_us;     /* in which one session got nothing of what was being published to it */
	uint64_t longest_ack_gap_us; /* in which messages were due and none was acknowledged */
};

struct ledger;
struct subscription;

/* NULL: out of memory. */
struct ledger *ledger_new(const struct ledger_config *config);
struct ledger *ledger_free(struct ledger *ledger);

/* A message was due; call it before ledger_publish(), and when nothing can be sent at the moment. */
void ledger_due(struct ledger *ledger, uint64_t now_us);
/* A message goes out now: fills in id->number. -ENOMEM. */
GRID_MUST_CHECK int ledger_publish(struct ledger *ledger, struct message_id *id, uint64_t now_us);
/* What became of it; one of the three, once. */
void ledger_acknowledged(struct ledger *ledger, const struct message_id *id, uint64_t now_us);
void ledger_refused(struct ledger *ledger, const struct message_id *id);
void ledger_unknown(struct ledger *ledger, const struct message_id *id);
/* Nothing is due any more: the time since the last acknowledgement counts as it stands. */
void ledger_stopped(struct ledger *ledger, uint64_t now_us);

/* A session has begun to receive what goes to a target. The ledger keeps it until the end. NULL: out of memory. */
struct subscription *ledger_subscribe(struct ledger *ledger, uint32_t target, const char *session, uint64_t now_us);
/* The session has ended; nothing is received by this subscription after that. */
void ledger_unsubscribe(struct ledger *ledger, struct subscription *subscription, uint64_t now_us);

/* A message came to a session. -ENOMEM. */
GRID_MUST_CHECK int ledger_received(struct ledger *ledger, struct subscription *subscription,
                                    const struct message_id *id, uint64_t now_us);
/* A message came to a session that has no subscription for it. */
void ledger_misrouted(struct ledger *ledger, const struct message_id *id, const char *session);
/* A message was found in the offline queue. `redelivered`: the broker may have shown it to us before. */
void ledger_offline(struct ledger *ledger, const struct message_id *id, bool redelivered);

/* What is counted as it happens, at no cost: without deliveries that are expected, made, lost or excused. */
const struct tally *ledger_counted(const struct ledger *ledger);
/* The sums as they stand. -ENOMEM. */
GRID_MUST_CHECK int ledger_tally(struct ledger *ledger, struct tally *out);
/* The first findings of each kind; those that are lost are known after ledger_find_lost(). */
GRID_MUST_CHECK int ledger_find_lost(struct ledger *ledger);
const struct ledger_example *ledger_examples(const struct ledger *ledger, size_t *np);

#endif
