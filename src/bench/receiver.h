/* A client that receives: it joins its user's rooms whenever it is welcomed, and tells the ledger what comes. */
#ifndef GRID_BENCH_RECEIVER_H
#define GRID_BENCH_RECEIVER_H

#include "bench/client.h"
#include "bench/histogram.h"
#include "bench/names.h"
#include "bench/payload.h"

/* What all receivers share. The texts and tables are the caller's. */
struct receivers {
	struct clients *clients;
	struct ledger *ledger;
	struct histogram *delivery; /* from publishing to receiving */
	const char *run;
	uint32_t rooms; /* targets below are rooms, the others users */
	uint32_t rooms_per_user;
	const uint32_t *rooms_of; /* rooms_per_user for each user */

	size_t complete;   /* receivers that are in all their rooms */
	uint64_t received; /* messages of this run */
	uint64_t foreign;  /* messages that are not ours */
	uint64_t join_retries;
};

struct membership {
	uint32_t room;
	struct subscription *subscription; /* NULL: not joined */
};

struct receiver {
	struct client client;
	struct receivers *shared;
	struct timer rejoin; /* of rooms that could not be joined */
	uint32_t user;
	uint32_t joined;
	struct subscription *notifications; /* NULL: not welcomed */
	struct membership *memberships;
	char query[BENCH_NAME_MAX + 8];
};

/* -ENOMEM; deinit is due in any case. It connects with client_start(). */
GRID_MUST_CHECK int receiver_init(struct receiver *receiver, struct receivers *shared, uint32_t user, uint32_t i);
void receiver_deinit(struct receiver *receiver);

#endif
