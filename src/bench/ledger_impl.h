/* The ledger's own structures, for what keeps it (ledger.c) and what sums it up (tally.c). */
#ifndef GRID_BENCH_LEDGER_IMPL_H
#define GRID_BENCH_LEDGER_IMPL_H

#include "bench/ledger.h"
#include "bench/seen.h"

enum message_state {
	MESSAGE_PENDING,
	MESSAGE_ACKNOWLEDGED,
	MESSAGE_REFUSED,
	MESSAGE_UNKNOWN,
};

struct message {
	uint64_t acknowledged_us;
	uint64_t first_us; /* of a user's message: when it was first received; 0: not yet */
	uint32_t place;    /* in its target's order; grows with the number */
	uint8_t state;     /* enum message_state */
	bool offline;
};

struct stream {
	struct message *messages;
	uint32_t n, cap;
};

struct target {
	struct stream **streams; /* by publisher; NULL: nothing was published yet */
	uint64_t *published_us;  /* by place */
	uint32_t n, cap;
	struct subscription *subscriptions;
};

struct subscription {
	struct subscription *next;
	uint32_t target;
	uint32_t began; /* place of the next message at that moment */
	uint32_t ended; /* the same */
	uint32_t heard; /* place of the next message when something came last */
	uint64_t began_us;
	uint64_t ended_us; /* 0: it lives */
	struct seen *seen; /* by publisher; NULL: nothing yet */
	char session[LEDGER_SESSION_MAX];
};

struct ledger {
	struct ledger_config config;
	struct target *targets;
	struct tally counted;  /* what is counted as it happens */
	uint64_t due_since_us; /* since when something has been due and nothing acknowledged; 0: it is not so */
	struct ledger_example *examples;
	size_t n_examples;
	size_t examples_of[FINDING_COUNT];
	uint32_t *sums; /* room for ledger_tally() */
	size_t sums_cap;
};

/* Keeps it as an example while there is room for its kind. */
void ledger_example_add(struct ledger *ledger, enum finding finding, const struct message_id *id, const char *session);

#endif
