/* The Redis driver from inside; all of it runs on the loop. driver.c: what core calls, and when the bus is up.
 * subscriber.c: keys and what comes. outbox.c: publications. inbox.c: deliveries until they are settled. */
#ifndef GRID_BUS_REDIS_DRIVER_STATE_H
#define GRID_BUS_REDIS_DRIVER_STATE_H

#include "base/log.h"
#include "bus/bus.h"
#include "bus/redis/pipeline.h"
#include "bus/redis/names.h"
#include "wire/envelope.h"

#define OPS_MAX 256
#define BATCH_MAX 64
#define TYPE_NOTICE "grid.notice"

/* Of what a request is. The link's own never get here. */
enum request_kind {
	REQUEST_OP,
	REQUEST_PUBLICATION,
	REQUEST_STRAY,
	REQUEST_CHECK,
	REQUEST_NODES,    /* to subscribe to the channel of all nodes */
	REQUEST_ANNOUNCE, /* a word to them */
	REQUEST_STORE,    /* of store.c */
};

/* Both links are there, but do they lead to the same server? A message over the one must find the other. */
enum check { CHECK_NONE, CHECK_SENT, CHECK_PASSED };

/* A SUBSCRIBE or UNSUBSCRIBE under way. */
struct op {
	struct request request;
	struct op *next; /* while it is free */
	struct key key;
};

/* A publication under way. Outcomes are told in the order of publishing, so that those of one key are. */
struct letter {
	struct request request;
	struct letter *next;
	struct bus_publication *publication;
	bool handed_over; /* nobody was there: on its way into the stream */
	bool done;
	enum bus_publish_result result;
};

/* A message that came, around what core sees of it. */
struct delivery {
	struct delivery *prev, *next;
	struct delivery *next_stray;
	struct request request; /* as a stray */
	redisReply *reply;      /* as it came, while it may have to be handed over */
	struct str line, body;  /* in the reply */
	bool stray;
	struct bus_delivery bus; /* last: ends in an array */
};

#define STREAM_ID_MAX 48 /* two numbers of 64 bits, and a dash */

/* Reading the stream of absent users' messages, for whoever moves them. */
enum store_step { STORE_IDLE, STORE_TURN, STORE_READ, STORE_LENT, STORE_DELETE, STORE_LEAVE };

struct store {
	enum store_step step;
	struct request request;
	uint64_t turn_ms;                        /* when it was asked for */
	char after[1 + STREAM_ID_MAX];           /* the last entry seen; empty: from the beginning */
	char ids[BUS_STORED_MAX][STREAM_ID_MAX]; /* lent */
	size_t n;
};

struct redis {
	struct bus *bus;
	const struct bus_config *config;
	char *node_id;
	struct redis_names names;
	const struct siphash_key *identity_key; /* NULL: deliveries are not identified */
	struct hmac *hmac;                      /* NULL: no secret, everybody is trusted */
	struct redis_counters counters;
	struct metric_registry *metrics;
	struct metric_set metric_set;

	struct pipeline subscriber, publisher;
	enum check check;
	struct request check_request;
	struct request nodes_request;
	struct request announce_request;
	bool announce_out;
	struct store store;
	bool check_out; /* it is with the publisher, perhaps from before a link was lost */

	enum bus_state state; /* what core has been told */
	bool going_down;      /* a link is lost: nothing new is taken, and core hears of it when all is answered */
	bool bindings_lost;
	bool over;         /* nothing more is told */
	const char *fatal; /* to be told in the first turn */
	uint64_t now_ms;
	uint64_t now_unix_ms;

	struct op *ops, *free_ops;
	size_t ops_out;
	struct letter *letters, *free_letters;
	struct letter *letters_head, *letters_tail; /* under way, in order */
	struct log_limit refused_limit;

	struct delivery *held;                      /* all that are with core or on their way into the stream */
	struct delivery *strays_head, *strays_tail; /* waiting for the publisher */
	size_t strays_out;
	size_t strays_bytes; /* waiting and out */
	uint64_t strays_retry_ms;
	struct log_limit strays_limit;
	struct log_limit dropped_limit;
	struct log_limit store_limit;

	struct envelope envelope; /* of the message being decoded */
	struct buf scratch;
	struct bus_delivery *batch[BATCH_MAX];
	size_t batch_n;
};

/* subscriber.c: answers and messages; what the lost link leaves. */
void subscriber_on_answer(struct redis *r, struct pipeline_answer *answer);
void subscriber_on_lost(struct redis *r);
int subscriber_ask(struct redis *r, const struct key *key, const char *command);
void subscriber_ask_nodes(struct redis *r);

/* outbox.c */
void outbox_on_answer(struct redis *r, struct pipeline_answer *answer);
void outbox_on_lost(struct redis *r);
int outbox_publish(struct redis *r, struct bus_publication *publication);
void outbox_send_check(struct redis *r);
int outbox_announce(struct redis *r, struct str body);
/* Into the stream of absent users' messages; the answer comes for `request`. */
void outbox_hand_over(struct redis *r, struct request *request, const struct key *key, struct str line, struct str body,
                      bool stray);

/* inbox.c */
void inbox_on_message(struct redis *r, redisReply *reply); /* takes the reply */
void inbox_flush(struct redis *r);                         /* gives core what has been collected */
void inbox_settle(struct redis *r, struct bus_delivery *delivery, enum bus_settle_how how);
void inbox_on_stray_answer(struct redis *r, struct request *request, const redisReply *reply);
void inbox_on_stray_lost(struct redis *r, struct request *request); /* it will be sent again */
void inbox_send_strays(struct redis *r);
void inbox_abandon(struct redis *r); /* makes strays of what core has not settled */
void inbox_free(struct redis *r);

/* store.c */
int store_fetch(struct redis *r);
int store_moved(struct redis *r, size_t n);
void store_on_answer(struct redis *r, const redisReply *reply);
void store_on_lost(struct redis *r); /* the publisher */
void store_on_subscriber_lost(struct redis *r);

#endif
