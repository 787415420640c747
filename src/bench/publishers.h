/* All publishers of a run, however they publish. */
#ifndef GRID_BENCH_PUBLISHERS_H
#define GRID_BENCH_PUBLISHERS_H

#include "bench/options.h"
#include "bench/publisher_amqp.h"
#include "bench/publisher_ws.h"

struct publishers {
	struct load load;
	const struct bench_options *options;
	struct publisher **all;
	uint32_t n;
	struct publisher_ws *ws;
	uint32_t n_ws;
	struct publisher_targets targets; /* of each of them */
	struct publisher_amqp *amqp;
	uint32_t n_amqp;
};

/* How many connections they need. */
uint64_t publishers_files(const struct bench_options *options);

/* AMQP_LINK_E_URI; -errno. Deinit is due in any case, before that of `clients`. */
GRID_MUST_CHECK int publishers_init(struct publishers *publishers, const struct bench_options *options,
                                    struct clients *clients, struct ledger *ledger, struct histogram *ack);
void publishers_deinit(struct publishers *publishers);
/* -errno. */
GRID_MUST_CHECK int publishers_connect(struct publishers *publishers);
bool publishers_ready(const struct publishers *publishers);
/* A connection to the broker that is not there, or NULL. */
struct amqp_link *publishers_missing(struct publishers *publishers);

/* Each begins when its turn comes, so that together they are even. */
void publishers_start(struct publishers *publishers, uint64_t now_us);
/* When the first of them has something to send; UINT64_MAX: there are none. */
uint64_t publishers_due_us(const struct publishers *publishers);
/* Sends what is due. -ENOMEM. */
GRID_MUST_CHECK int publishers_turn(struct publishers *publishers, uint64_t now_us);
/* What is still unanswered stays so. */
void publishers_give_up(struct publishers *publishers);

#endif
