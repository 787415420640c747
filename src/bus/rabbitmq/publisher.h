/* The thread that publishes, on a connection of its own: a broker with an alarm blocks connections that publish, and a
 * blocked one could not be read from. Everything is confirmed; letters come back with their result. */
#ifndef GRID_BUS_RABBITMQ_PUBLISHER_H
#define GRID_BUS_RABBITMQ_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mailbox.h"

struct publisher;
struct mail;
struct setup;

/* Starts the thread. `wake` tells the loop that there is mail. -errno. */
GRID_MUST_CHECK int publisher_new(const struct setup *setup, mailbox_wake_fn *wake, void *wake_arg,
                                  struct publisher **publisherp);
/* Asks the thread to end. */
void publisher_stop(struct publisher *p);
/* Waits for the end (bounded). Letters are the loop's to free, wherever they were. Takes and returns NULL. */
struct publisher *publisher_free(struct publisher *p);

/* To the publisher: a letter (at most publish_window publications, STRAYS_MAX strays, one loop-back and one hello under
 * way), an event that goes back. */
void publisher_send(struct publisher *p, struct mail *mail);
/* From the publisher: letters with their result (publications of one key in the order they were sent), events. */
size_t publisher_take(struct publisher *p, void **mail, size_t max);
bool publisher_has_mail(const struct publisher *p);
/* Cuts the connection: it will be made anew. */
void publisher_interrupt(struct publisher *p);

#endif
