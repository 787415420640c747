/* A client that receives: it joins its user's rooms whenever it is welcomed, and tells the ledger what comes. */
#ifndef GRID_BENCH_RECEIVER_H
#define GRID_BENCH_RECEIVER_H

#include "bench/client.h"
#include "bench/histogram.h"
#include "bench/payload.h"

/* What all receivers share. The texts and tables are the caller's. */
struct receivers {
	struct clients *clients;
	struct ledger *ledger;
	struct histogram *delivery; /* from publishing to receiving */
	uint32_t rooms_per_user;
	const uint32_t *rooms_of; /* rooms_per_user for each user */
	uint32_t rooms_received;  /* the first of them, which its connections are in */
	bool user_received;       /* they get what goes to the user as well */

	size_t complete;      /* receivers that receive all they should */
	uint64_t ended;       /* sessions that are over */
	uint64_t received;    /* messages of this run */
	uint64_t received_us; /* the last one */
	uint64_t foreign;     /* messages that are not ours */
	uint64_t join_retries;
};

struct membership {
	uint32_t target;
	struct subscription *subscription; /* NULL: not joined */
};

struct receiver {
	struct client client;
	struct receivers *shared;
	struct timer rejoin; /* of what could not be joined */
	uint32_t user;
	uint32_t joined;
	uint32_t n_memberships;
	struct membership *memberships;
	struct bench_name user_name, room_name;
};

/* -ENOMEM; deinit is due in any case. It connects with client_start(). */
GRID_MUST_CHECK int receiver_init(struct receiver *receiver, struct receivers *shared, uint32_t user, uint32_t i);
void receiver_deinit(struct receiver *receiver);

#endif
