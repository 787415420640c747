/* What the verbs that talk to a broker have in common: where it is, and connecting once. */
#ifndef GRID_BENCH_BARE_AMQP_VERB_H
#define GRID_BENCH_BARE_AMQP_VERB_H

#include "base/options.h"
#include "bench/amqp_link.h"
#include "bench/bare/binder.h"
#include "bench/run.h"
#include "bench/signals.h"

#define AMQP_VERB_LOOK_MS 5 /* how often the main thread looks how far the others are */

struct amqp_options {
	char *uri; /* "": of the environment */
	char *prefix;
	int queue; /* enum queue_kind */
};

#define AMQP_VERB_ROWS(type_, field_)                                                                                  \
	{.name = "amqp",                                                                                                   \
	 .type = OPTION_TYPE_STRING,                                                                                       \
	 .offset = offsetof(type_, field_.uri),                                                                            \
	 .dflt = "",                                                                                                       \
	 .secret = true,                                                                                                   \
	 .help = "amqp://… of a node's account; else the environment's GRID_AMQP_URI"},                                    \
	    {.name = "prefix",                                                                                             \
	     .type = OPTION_TYPE_STRING,                                                                                   \
	     .offset = offsetof(type_, field_.prefix),                                                                     \
	     .dflt = "grid",                                                                                               \
	     .help = "of the exchange and the queue"},                                                                     \
	{                                                                                                                  \
		.name = "queue", .type = OPTION_TYPE_ENUM, .offset = offsetof(type_, field_.queue), .dflt = "durable",         \
		.choices = queue_kind_names, .help = "durable as a node's, or exclusive (bus.rabbitmq.queue of the nodes)"     \
	}

/* amqp_link_init(), which says what is wrong. > 0: the command line. */
GRID_MUST_CHECK int amqp_verb_init(struct amqp_link *link, const struct amqp_link_handler *handler, const char *name,
                                   const struct amqp_options *options);
/* Starts the link and waits until it is up. -ECONNREFUSED, and why is said: not within a few seconds; a signal came. */
GRID_MUST_CHECK int amqp_verb_connect(struct amqp_link *link, int signals);
/* Says why it was lost. */
enum bench_exit amqp_verb_failed(struct amqp_link *link);

#endif
