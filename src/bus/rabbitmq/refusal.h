/* Why the broker refused something of our queue's. AMQP has one code for several reasons, so the text decides: 3.10 and
 * 4.0 word them alike (rabbit_amqqueue.erl, rabbit_misc.erl, rabbit_channel.erl). */
#ifndef GRID_BUS_RABBITMQ_REFUSAL_H
#define GRID_BUS_RABBITMQ_REFUSAL_H

#include <stdbool.h>

/* Somebody else has it: an exclusive queue of another connection, or an exclusive consumer. */
bool refusal_is_taken(int code, const char *why);
/* It exists and cannot be used: the broker of the cluster on which it lives is down, or its process there is. Not: it
 * does not exist. */
bool refusal_is_away(int code, const char *why);

#endif
