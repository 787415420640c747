/* The RabbitMQ driver on the loop thread, from inside. driver.c: what core calls, and mail from the two links.
 * status.c: when the bus is up. held.c: deliveries until they are settled. */
#ifndef GRID_BUS_RABBITMQ_DRIVER_STATE_H
#define GRID_BUS_RABBITMQ_DRIVER_STATE_H

#include "base/log.h"
#include "bus/bus.h"
#include "bus/rabbitmq/consumer.h"
#include "bus/rabbitmq/hello.h"
#include "bus/rabbitmq/letters.h"
#include "bus/rabbitmq/mail.h"
#include "bus/rabbitmq/publisher.h"
#include "bus/rabbitmq/redelivery.h"
#include "bus/rabbitmq/setup.h"
#include "bus/rabbitmq/strays.h"

#define TURN_PART 64 /* mail taken between two looks at the time */

enum consumer_link { CONSUMER_LOST, CONSUMER_BEGUN, CONSUMER_CONSUMING };
enum publisher_link { PUBLISHER_LOST, PUBLISHER_UP, PUBLISHER_BLOCKED };
enum check { CHECK_NONE, CHECK_DUE, CHECK_SENT, CHECK_REBINDING, CHECK_PASSED };

struct rabbitmq {
	struct bus *bus;
	struct setup setup;
	struct rabbitmq_counters counters;
	struct metric_registry *metrics;
	struct metric_set metric_set;
	struct consumer *consumer;
	struct publisher *publisher;

	enum bus_state state; /* what core has been told */
	bool going_down;
	uint64_t going_down_since_ms;
	bool over; /* fatal: nothing more is told */
	enum consumer_link consumer_link;
	enum publisher_link publisher_link;
	unsigned life;              /* of the consumer's link: tags of others mean nothing */
	enum bus_bindings bindings; /* what core is to be told of them when the bus is up */
	uint64_t now_ms;

	bool been_up; /* or blocked */
	enum check check;
	char loopback_key[sizeof(((struct event *)NULL)->text)]; /* what is bound last on the consumer's queue */
	struct letter check_letter;
	char check_key[sizeof(((struct event *)NULL)->text)]; /* the one of the letter that is out */
	bool check_letter_out;
	uint64_t check_deadline_ms;
	struct event rebind;
	struct {
		struct letter letter;
		bool out;
		uint64_t at_ms;
		struct hello next, sent; /* as it stands; as it is under way */
	} hello;

	struct op *ops; /* OPS_MAX, the free ones in a list */
	struct op *free_ops;
	size_t ops_out;
	bool ops_full;          /* until OPS_REFILL are free again */
	struct letter *letters; /* publish_window, the free ones in a list */
	struct letter *free_letters;
	size_t publications_out;

	struct delivery *held; /* all deliveries that are with core, with us, or with the publisher */
	size_t held_n;         /* of this life */
	struct log_limit unplaced_limit;
	struct redelivery *redelivery;
	struct strays strays;

	struct bus_delivery *batch[TURN_PART];
	size_t batch_n;
};

/* status.c */

/* What follows from how things stand: after every event, and every turn. */
void status_advance(struct rabbitmq *r);
/* A link is lost: nothing new is taken from now on. */
void status_link_lost(struct rabbitmq *r);
/* Something became of what is bound: what is worse than what is known already counts. */
void status_bindings(struct rabbitmq *r, enum bus_bindings bindings);
/* May core bind, or publish, now? */
bool status_takes_binds(const struct rabbitmq *r);
bool status_takes_publications(const struct rabbitmq *r);
/* The check: its letter is back from the publisher; the message itself has come; something has moved. */
void status_on_check_letter(struct rabbitmq *r);
void status_on_loopback(struct rabbitmq *r, uint64_t check);
void status_on_progress(struct rabbitmq *r);

/* held.c */

void held_on_delivery(struct rabbitmq *r, struct delivery *d);
/* Gives core what has been collected. */
void held_flush(struct rabbitmq *r);
void held_settle(struct rabbitmq *r, struct delivery *d, enum bus_settle_how how);
void held_on_stray_letter(struct rabbitmq *r, struct letter *letter);
/* Gives the publisher what it takes; what is too much for it becomes dead letters. */
void held_move_strays(struct rabbitmq *r);
/* The consumer's link is lost, and of its acknowledgements the broker has taken the first `taken` for certain. */
void held_lost(struct rabbitmq *r, uint64_t taken);
void held_free(struct rabbitmq *r);

#endif
