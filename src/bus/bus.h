/* How nodes reach each other: the driver interface.
 *
 *   core ──▶ bus_bind / bus_unbind / bus_publish / bus_settle ──▶ driver ──▶ broker
 *   core ◀── struct bus_upcalls, on the loop thread only       ◀── driver ◀──
 *
 * Everything is asynchronous: a call is accepted or refused at once, and its outcome comes as an upcall. A driver may
 * run threads of its own; it shows nothing of them here. It calls `wake` (from any thread) when it has something, and
 * the loop answers with bus_turn(), from inside which, and only there, the upcalls come.
 *
 * Keys are the two-word keys of wire/names.h; what a driver makes of them (exchange, third word, channel) is its own
 * matter.
 *
 * What a driver means by its words (the contract suite in tests/contract holds every driver to it):
 *   bound       from now on every message published to the key by anyone comes to this node
 *   confirmed   the bus has taken responsibility: every node bound at this moment gets it
 *   unrouted    the same, but for a user whom no node has bound: the message is where absent users' messages go (not,
 *               if its `reach` says that they get none)
 *   failed      unknown: perhaps out, perhaps not
 * Messages of one publisher to one key arrive everywhere in the order of bus_publish(). */
#ifndef GRID_BUS_BUS_H
#define GRID_BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/metrics.h"
#include "base/msgbuf.h"
#include "base/siphash.h"
#include "base/ulid.h"
#include "bus/config.h"
#include "wire/message.h"
#include "wire/names.h"

struct bus;
struct ev_loop;

enum bus_state {
	BUS_DOWN, /* nothing goes; keys bound before are as they were, or lost: bus_upcalls.state says when it is up again
	           */
	BUS_UP,   /* binds, publishes and deliveries work */
	BUS_BLOCKED, /* deliveries and binds work, publishing does not (a broker's memory or disk alarm) */
};

enum bus_bind_result {
	BUS_BIND_OK,
	BUS_BIND_REFUSED, /* the bus said no to this key; others are not affected */
	BUS_BIND_LOST,    /* the link went away before an answer: unknown */
};

/* What became of all that was bound while the bus was down. */
enum bus_bindings {
	BUS_BINDINGS_KEPT,   /* it is as it was */
	BUS_BINDINGS_LOST,   /* nothing is bound any more */
	BUS_BINDINGS_UNSURE, /* most of it is as it was, and nobody knows what is not: all is to be bound anew */
};

enum bus_publish_result { BUS_CONFIRMED, BUS_UNROUTED, BUS_FAILED };

enum bus_settle_how {
	BUS_ACCEPTED, /* done with it */
	BUS_STRAY,    /* the copies of users not `placed` must go where absent users' messages go; there is one at least */
	BUS_REJECTED, /* nothing can be done with it: drop */
};

/* BUSY: the window is full, or was and not much of it is free yet: try again after each `bound` or `published` upcall.
 * UNAVAILABLE: down, or blocked. */
enum { BUS_E_BUSY = 1, BUS_E_UNAVAILABLE };

/* One key under which a delivery came, and the frame its receivers get. */
struct bus_target {
	struct key key;
	struct msgbuf *frame;
	bool placed; /* core's: this user's copy is on a socket of his, or need not be kept; settled as BUS_STRAY it goes
	              * nowhere else */
};

#define BUS_TARGETS_MAX 17 /* the routing key and at most 16 of a CC header */

/* A message that arrived. The driver's from message() to bus_settle(), lent to core in between; core settles each
 * exactly once, in any order, and touches it no more. */
struct bus_delivery {
	uint8_t n_targets; /* 0 only when there is nothing to do with it but settle it */
	bool no_echo;      /* not to the session named below */
	bool redelivered;  /* the bus says it may have been delivered before */
	uint8_t way;       /* the failover driver's: which of its two brought it, and in which of its lives */
	char session[ULID_LEN + 1];
	uint64_t expires_at_ms; /* monotonic; 0: never */
	/* Set by bus_delivery_identify(); 0 in what no node has published, or nobody asked for. */
	uint64_t identity; /* the same for the same message, whichever way and however often it comes */
	uint64_t stream;   /* the same for all that one node publishes to one key */
	uint64_t seq;      /* its number in there */

	struct { /* nothing to drivers; see core/holding.h */
		struct bus_delivery *prev, *next;
		uint64_t due_ms;
		uint8_t state;
		uint8_t waiting;
		uint8_t how;
	} core;
	struct bus_target targets[];
};

/* Whom a publication is for. */
enum bus_reach {
	BUS_TO_ANYBODY, /* whoever has bound the key; a user whom nobody has: where absent users' messages go */
	BUS_TO_PRESENT, /* the former only; `unrouted` then says that there is no copy */
	BUS_TO_ABSENT,  /* the latter only; `unrouted` when it is there */
};

/* A message for an absent user, where a bus keeps those. */
struct bus_stored {
	struct key key;
	struct message message;
};
#define BUS_STORED_MAX 32 /* at once */

/* A message on its way out, one block of memory. Made by bus_publication_new(); owned by core until bus_publish()
 * returns 0, by the driver until the `published` upcall, then by core again, which frees it. */
struct bus_publication {
	struct key key;
	struct message message;       /* points into this block */
	uint8_t reach;                /* enum bus_reach */
	void *token;                  /* core's, not looked at */
	struct bus_publication *next; /* core's and the driver's in turn, for their lists */
	uint64_t id;                  /* the driver's */
	uint64_t accepted_ms;         /* the wrapper's */
};

struct bus_upcalls {
	/* `n` deliveries in order of arrival. */
	void (*message)(void *ctx, struct bus_delivery *const *batch, size_t n);
	/* The outcome of one bus_bind() or bus_unbind() of this key. Each accepted call gets exactly one, in order. */
	void (*bound)(void *ctx, const struct key *key, enum bus_bind_result result);
	/* A key that an earlier life of this node has bound and the bus still holds, as if core had bound it: core keeps it
	 * or unbinds it. Before the first `state` that is not down. */
	void (*restored)(void *ctx, const struct key *key);
	/* The outcome of one bus_publish(). Each accepted call gets exactly one; in order for one key. */
	void (*published)(void *ctx, struct bus_publication *publication, enum bus_publish_result result);
	/* A change of state. `bindings` counts with BUS_UP or BUS_BLOCKED after BUS_DOWN. On BUS_DOWN outcomes of what was
	 * under way have come before this. */
	void (*state)(void *ctx, enum bus_state state, enum bus_bindings bindings);
	/* Somebody's bus_announce(), perhaps our own. NULL for those who never announce. */
	void (*announced)(void *ctx, struct str body);
	/* What bus_stored_fetch() found, lent; none: there are none, or another node is at it. NULL as above. */
	void (*stored)(void *ctx, const struct bus_stored *stored, size_t n);
	/* The node cannot run like this (its id is taken, the topology is missing): `what` says so in one line, with the
	 * command to run where there is one. Nothing comes after it. */
	void (*fatal)(void *ctx, const char *what);
};

struct bus_env {
	const struct bus_upcalls *upcalls;
	void *ctx;               /* for the upcalls */
	void (*wake)(void *arg); /* any thread: call bus_turn() soon */
	void *wake_arg;
	/* The loop, from what it calls because of a driver's socket or timer: call bus_turn() now. Half the epoll_wait()s
	 * of a message that comes alone, and no second look at a socket that is still readable because nobody has read yet.
	 */
	void (*turn)(void *arg);
	void *turn_arg;
	struct ev_loop *loop; /* the node's, for drivers whose sockets live on it */
	const char *node_id;
	const char *epoch;     /* this life of the node, a ULID */
	const char *state_dir; /* a folder for what the next life is to know; empty: none */
	/* Deliveries are to be identified under this secret; it outlives the bus. NULL: nobody asks. */
	const struct siphash_key *identity_key;
	struct metric_registry *metrics;
};

/* What a driver implements; const, with designated initialisers. All on the loop thread. A bind or publish refused as
 * UNAVAILABLE while the bus is up means that it is going down: `state` follows. */
struct bus_driver {
	const char *name;
	/* Starts; the first `state` upcall comes later. Copies what it keeps of `env`; `config` outlives the driver. */
	int (*open)(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp);
	/* Stops threads, closes connections, frees all. Publications and deliveries still under way are freed, without
	 * upcalls. Bounded in time. */
	void (*close)(void *impl);
	int (*bind)(void *impl, const struct key *key);
	int (*unbind)(void *impl, const struct key *key);
	int (*publish)(void *impl, struct bus_publication *publication);
	void (*settle)(void *impl, struct bus_delivery *delivery, enum bus_settle_how how);
	/* Reads and drains what has come, for about 3 ms or 256 messages at most; true when more is waiting. */
	bool (*turn)(void *impl, uint64_t now_ms);
	/* Optional: see bus_announce(). */
	int (*announce)(void *impl, struct str body);
	/* Optional: see bus_stored_fetch(). */
	int (*stored_fetch)(void *impl);
	int (*stored_moved)(void *impl, size_t n);
	/* Optional: see bus_route(). */
	const char *(*route)(const void *impl);
};

extern const struct bus_driver bus_local_driver;
extern const struct bus_driver bus_rabbitmq_driver;
extern const struct bus_driver bus_redis_driver;
extern const struct bus_driver bus_failover_driver; /* the two above, one behind the other */

/* The wrapper: counts and logs for every driver, and holds callers to the contract. -ENOMEM, -errno of the driver. */
GRID_MUST_CHECK int bus_open(const struct bus_config *config, const struct bus_env *env, struct bus **busp);
/* The same for a driver that is made of others: `labels` (`bus="primary"`) tell its metrics from theirs. */
GRID_MUST_CHECK int bus_open_driver(const struct bus_driver *driver, const char *labels,
                                    const struct bus_config *config, const struct bus_env *env, struct bus **busp);
struct bus *bus_close(struct bus *bus); /* takes and returns NULL */
const char *bus_driver_name(const struct bus *bus);
enum bus_state bus_state(const struct bus *bus);
/* In a word which way messages go, for people; NULL where there is only one. */
const char *bus_route(const struct bus *bus);

/* 0: accepted, one `bound` upcall follows. BUS_E_BUSY, BUS_E_UNAVAILABLE. */
GRID_MUST_CHECK int bus_bind(struct bus *bus, const struct key *key);
GRID_MUST_CHECK int bus_unbind(struct bus *bus, const struct key *key);
/* 0: accepted, the publication is the driver's. BUS_E_BUSY, BUS_E_UNAVAILABLE: still the caller's. */
GRID_MUST_CHECK int bus_publish(struct bus *bus, struct bus_publication *publication);
void bus_settle(struct bus *bus, struct bus_delivery *delivery, enum bus_settle_how how);
/* A word to all nodes of the grid that hear this bus now, ourselves included. Nobody answers for it. BUS_E_UNAVAILABLE:
 * down, or the driver cannot. BUS_E_BUSY, -ENOMEM. */
GRID_MUST_CHECK int bus_announce(struct bus *bus, struct str body);
/* Where messages of absent users are kept: asks for the oldest; one `stored` upcall follows, unless the bus goes down
 * before. Then it is this node's turn, and nobody else's, until it says that the first `n` of them are elsewhere now
 * (0: none), and may be deleted. BUS_E_UNAVAILABLE: down, or the driver cannot. BUS_E_BUSY: still at it. */
GRID_MUST_CHECK int bus_stored_fetch(struct bus *bus);
GRID_MUST_CHECK int bus_stored_moved(struct bus *bus, size_t n);
/* True: call again soon. Called after every wake-up, and every 100 ms. */
bool bus_turn(struct bus *bus, uint64_t now_ms);

/* For core: copies key, strings and body of `message` into one block. NULL when out of memory. */
struct bus_publication *bus_publication_new(const struct key *key, const struct message *message, void *token);
struct bus_publication *bus_publication_free(struct bus_publication *publication); /* takes and returns NULL */

/* For drivers. */

/* The upcalls, on the loop thread, from inside turn(): the wrapper counts, keeps the state and passes on. */
void bus_up_message(struct bus *bus, struct bus_delivery *const *batch, size_t n);
void bus_up_bound(struct bus *bus, const struct key *key, enum bus_bind_result result);
void bus_up_restored(struct bus *bus, const struct key *key);
void bus_up_published(struct bus *bus, struct bus_publication *publication, enum bus_publish_result result);
void bus_up_state(struct bus *bus, enum bus_state state, enum bus_bindings bindings);
void bus_up_announced(struct bus *bus, struct str body);
void bus_up_stored(struct bus *bus, const struct bus_stored *stored, size_t n);
void bus_up_fatal(struct bus *bus, const char *what);

/* Fills `targets` (room for n) and the rest of a delivery from a message and the n keys it came under: builds each
 * frame once; users' keys share one. `now_unix_ms` stands in for an absent ts. Any thread. -ENOMEM (then nothing is
 * held). */
GRID_MUST_CHECK int bus_delivery_init(struct bus_delivery *d, const struct key *keys, size_t n, const struct message *m,
                                      uint64_t now_unix_ms, uint64_t now_mono_ms);
/* After that, for a message that a node has published: tells it from all others. Nothing without a `key`. Any thread.
 */
void bus_delivery_identify(struct bus_delivery *d, const struct message *m, const struct siphash_key *key);
/* The stream of what `origin` publishes to `target`, as in the deliveries. */
uint64_t bus_stream(struct str origin, const struct key *target, const struct siphash_key *key);
/* Gives up the frames. Loop thread (or before the delivery was ever handed over). */
void bus_delivery_deinit(struct bus_delivery *d);

#endif
