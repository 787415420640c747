/* The receiving half of `gridbench pipe`: a connection and thread of its own, a queue bound to the users' keys, and
 * what comes out of it: timed, and acknowledged in multiples. */
#ifndef GRID_BENCH_BARE_TAKER_H
#define GRID_BENCH_BARE_TAKER_H

#include "base/buf.h"
#include "bench/bare/amqp_verb.h"
#include "bench/histogram.h"

struct taker_config {
	const char *run; /* of the users' names */
	uint32_t keys;
	uint32_t window;   /* binds without an answer at most */
	uint16_t prefetch; /* messages not acknowledged at most */
};

struct taker {
	struct amqp_link link;
	struct taker_config config;
	struct binder binder;
	atomic_bool consuming; /* reached */
	atomic_bool clear;     /* wanted: no queue */
	atomic_bool done;      /* reached; what follows is the main thread's then */
	atomic_bool failed;
	atomic_uint_fast64_t received;
	uint64_t unacknowledged;        /* the last tag that is not acknowledged; 0: none */
	uint64_t tag;                   /* of the message that is coming */
	uint64_t missing;               /* bytes of its body */
	struct buf body;                /* what came of it, if it comes in pieces */
	uint64_t foreign;               /* no message of this run */
	uint64_t cpu_before_us, cpu_us; /* of the thread, since it consumes */
	struct histogram delivery;
};

/* As amqp_verb_init(); deinit is due only after 0. */
GRID_MUST_CHECK int taker_init(struct taker *taker, const struct taker_config *config,
                               const struct amqp_options *options);
void taker_deinit(struct taker *taker);

#endif
