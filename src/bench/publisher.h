/* Whoever publishes: when the next message is due, whether the window has room, and what became of each message. How
 * it is sent is behind `struct publisher_ops`: over a websocket (publisher_ws.h) or by AMQP (publisher_amqp.h).
 *
 * A message that is due while the window is full or the connection down is not made up for later: what is due goes on
 * from the moment it can be sent. */
#ifndef GRID_BENCH_PUBLISHER_H
#define GRID_BENCH_PUBLISHER_H

#include "bench/histogram.h"
#include "bench/ledger.h"
#include "bench/options.h"
#include "bench/payload.h"
#include "bench/pick.h"

struct publisher;

struct publisher_ops {
	/* Can it take messages now? */
	bool (*ready)(const struct publisher *publisher);
	/* Sends one. `slot` names it when its answer comes: publisher_answered(). */
	void (*send)(struct publisher *publisher, uint32_t slot, const struct message_id *id, struct str payload);
	/* After some sends. */
	void (*flush)(struct publisher *publisher);
};

/* What all publishers share. */
struct load {
	struct ledger *ledger;
	struct histogram *ack; /* from publishing to its acknowledgement */
	struct str run;
	enum bench_to to;
	uint32_t rooms; /* targets below are rooms, the others users */
	struct pick room, user;
	struct dice dice;
	size_t size; /* of payloads */
	uint64_t late_sends;
	struct buf payload; /* the one being sent */
};

struct outstanding {
	struct message_id id;
	uint64_t published_us;
	bool used;
};

struct publisher {
	const struct publisher_ops *ops;
	struct load *load;
	uint32_t number;
	struct outstanding *slots;
	uint32_t *unused; /* a stack of slots */
	uint32_t window, n_unused;
	uint64_t interval_ns; /* 0: as fast as the window lets it */
	uint64_t due_ns;
	bool held_up; /* something was due and could not be sent */
};

enum publisher_answer { PUBLISHER_ACKNOWLEDGED, PUBLISHER_REFUSED, PUBLISHER_UNKNOWN };

/* -ENOMEM; deinit is due in any case. `interval_ns` between its messages. */
GRID_MUST_CHECK int publisher_init(struct publisher *publisher, const struct publisher_ops *ops, struct load *load,
                                   uint32_t number, uint32_t window, uint64_t interval_ns);
void publisher_deinit(struct publisher *publisher);

/* The first message is due at that time. */
void publisher_start(struct publisher *publisher, uint64_t at_us);
/* When it has something to send, monotonic, rounded up. */
static inline uint64_t publisher_due_us(const struct publisher *publisher)
{
	return (publisher->due_ns + 999) / 1000;
}
/* Sends what is due and can be sent. -ENOMEM. */
GRID_MUST_CHECK int publisher_turn(struct publisher *publisher, uint64_t now_us);
/* What was sent in this slot has been answered; slots that are not in use are none of ours. */
void publisher_answered(struct publisher *publisher, uint32_t slot, enum publisher_answer answer, uint64_t now_us);
/* Nothing that is out will be answered any more. */
void publisher_lost(struct publisher *publisher);

#endif
