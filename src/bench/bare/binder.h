/* A queue bound to users' keys as a node binds its own, without waiting for each answer. It works on the thread of the
 * link that it is given. */
#ifndef GRID_BENCH_BARE_BINDER_H
#define GRID_BENCH_BARE_BINDER_H

#include "bench/amqp_link.h"
#include "bench/bare/window.h"
#include "bench/names.h"

/* As `--queue` names them. */
enum queue_kind {
	QUEUE_DURABLE,   /* as a node's */
	QUEUE_EXCLUSIVE, /* gone with its connection */
};
extern const char *const queue_kind_names[];

#define BINDER_RUN_LEN 8

struct binder {
	enum queue_kind kind;
	bool exact;      /* bind `user.x`; else `user.x.#` as nodes do */
	const char *run; /* in the names of the queue and of the users */
	char queue[64], exchange[64];
	struct window window;
	uint64_t began_us, ended_us; /* the first question, the last answer so far */
};

/* A name for a run: digits and capitals. */
void binder_name_run(char run[BINDER_RUN_LEN + 1]);
/* The texts outlive it. */
void binder_init(struct binder *binder, const char *prefix, const char *run, enum queue_kind kind, bool exact,
                 uint32_t keys, uint32_t window);
/* The key under which a message goes to user `i`. */
struct bench_name binder_key(const char *run, uint32_t i);

/* On the link's thread; results as of amqp_link_status(). */
GRID_MUST_CHECK int binder_declare(struct binder *binder, struct amqp_link *link);
/* Asks for what the window lets it. */
GRID_MUST_CHECK int binder_ask(struct binder *binder, struct amqp_link *link);
/* A bind-ok came. */
GRID_MUST_CHECK int binder_answered(struct binder *binder, struct amqp_link *link);
/* Deletes the queue, and waits until it is gone. */
GRID_MUST_CHECK int binder_delete(struct binder *binder, struct amqp_link *link);

#endif
