/* A publisher by AMQP, as a backend is one: with the account of publishers, and confirms. It has a connection and a
 * thread of its own; letters go to it and come back through mailboxes.
 *
 *   loop                             thread
 *   publisher_turn() ─▶ letter ─▶ [in]  ─▶ basic.publish
 *   publisher_amqp_take() ◀── letter ◀── [out] ◀─ basic.ack, basic.nack, or the connection is lost */
#ifndef GRID_BENCH_PUBLISHER_AMQP_H
#define GRID_BENCH_PUBLISHER_AMQP_H

#include "base/mailbox.h"
#include "bench/amqp_link.h"
#include "bench/bell.h"
#include "bench/names.h"
#include "bench/publisher.h"

/* One for each slot of the window; belongs to whoever has it. */
struct letter {
	struct letter *prev, *next; /* the thread's: unconfirmed, in the order they were sent */
	uint64_t tag;
	uint32_t slot;
	const char *exchange;
	char key[BENCH_NAME_MAX + 8];
	struct buf body;
	enum publisher_answer answer;
	uint64_t answered_us;
};

struct publisher_amqp {
	struct publisher base;
	struct amqp_link link;
	struct mailbox *in, *out;
	struct letter *letters; /* by slot */
	char name[48];
	char exchanges[2][BENCH_NAME_MAX]; /* of rooms, of users */
	bool persistent;

	struct bell bell; /* rung when something is in `out` */

	/* The thread's. */
	struct letter unconfirmed; /* head of the list */
	uint64_t next_tag;
	atomic_bool blocked; /* by the broker, which is short of memory or disk */
};

extern const struct publisher_ops publisher_amqp_ops;

/* `publisher->base` is ready (publisher_init() with publisher_amqp_ops), and its deinit is due after this one's.
 * AMQP_LINK_E_URI, -errno; deinit is due only after 0. */
GRID_MUST_CHECK int publisher_amqp_init(struct publisher_amqp *publisher, struct reactor *reactor, const char *uri,
                                        const char *prefix, bool persistent);
/* Tells the thread to end; deinit waits for it. */
void publisher_amqp_stop(struct publisher_amqp *publisher);
void publisher_amqp_deinit(struct publisher_amqp *publisher);
/* Connects. -errno. */
GRID_MUST_CHECK int publisher_amqp_start(struct publisher_amqp *publisher);

#endif
