/* The publishing half of `gridbench pipe`: a connection and thread of its own, publishes evenly to users' keys, and
 * takes the confirms as they come. */
#ifndef GRID_BENCH_BARE_SENDER_H
#define GRID_BENCH_BARE_SENDER_H

#include "base/buf.h"
#include "bench/bare/amqp_verb.h"
#include "bench/bare/pace.h"
#include "bench/bare/unconfirmed.h"

struct sender_config {
	const char *run;      /* of the users' names */
	uint32_t keys;        /* in turn */
	uint64_t rate;        /* a second; 0: as fast as the window lets it */
	uint64_t duration_us; /* of publishing */
	uint32_t window;      /* unconfirmed at most */
	size_t size;          /* of a payload */
	bool persistent;
};

struct sender {
	struct amqp_link link;
	struct sender_config config;
	char exchange[64];
	struct buf payload;
	struct unconfirmed unconfirmed;
	struct pace pace;
	uint64_t began_us; /* 0: not yet */
	bool blocked;      /* the broker does not take any */
	atomic_bool cut;   /* wanted: no more publishes */
	atomic_bool done;  /* reached: all are answered; what follows is the main thread's then */
	atomic_bool failed;
	uint64_t sent, confirmed, refused;
	uint64_t ended_us;
	uint64_t cpu_before_us, cpu_us; /* of the thread, while it published */
	struct histogram ack;
};

/* As amqp_verb_init(); deinit is due only after 0. */
GRID_MUST_CHECK int sender_init(struct sender *sender, const struct sender_config *config,
                                const struct amqp_options *options);
void sender_deinit(struct sender *sender);

#endif
