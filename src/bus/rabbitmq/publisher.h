/* What publishes, on a connection of its own: a broker with an alarm blocks connections that publish, and a blocked one
 * could not be read from. A thread does it, which lends its link to the loop while the socket takes all there is to
 * send (helm.h). Everything is confirmed; letters come back with their result. */
#ifndef GRID_BUS_RABBITMQ_PUBLISHER_H
#define GRID_BUS_RABBITMQ_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bus_env;
struct publisher;
struct mail;
struct setup;

/* Starts the thread. -errno. */
GRID_MUST_CHECK int publisher_new(const struct setup *setup, const struct bus_env *env, struct publisher **publisherp);
/* Asks the thread to end. */
void publisher_stop(struct publisher *p);
/* Waits for the end (bounded). Letters are the loop's to free, wherever they were. Takes and returns NULL. */
struct publisher *publisher_free(struct publisher *p);

/* At the beginning of a turn of the bus: takes what the broker has answered and sends what waits, unless the thread
 * does.
 */
void publisher_turn(struct publisher *p, uint64_t now_ms);
/* To the publisher: a letter (at most publish_window publications, STRAYS_MAX strays, one loop-back and one hello under
 * way), an event that goes back. */
void publisher_send(struct publisher *p, struct mail *mail);
/* From the publisher: letters with their result (publications of one key in the order they were sent), events. */
size_t publisher_take(struct publisher *p, void **mail, size_t max);
bool publisher_has_mail(const struct publisher *p);
/* Cuts the connection: it will be made anew. */
void publisher_interrupt(struct publisher *p);

#endif
