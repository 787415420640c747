/* Which letter each publish of a confirm channel was: the broker numbers publishes from 1 and confirms them by number,
 * one by one or all up to one, mostly in order. */
#ifndef GRID_BUS_RABBITMQ_CONFIRMS_H
#define GRID_BUS_RABBITMQ_CONFIRMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct confirms;

/* Room for `capacity` unconfirmed publishes. NULL when out of memory. */
struct confirms *confirms_new(size_t capacity);
struct confirms *confirms_free(struct confirms *c); /* takes and returns NULL */
/* A new channel: numbers start again, all is forgotten. */
void confirms_reset(struct confirms *c);
/* The number the next publish gets. */
uint64_t confirms_next(const struct confirms *c);
/* A publish was sent (not more than `capacity` unconfirmed: asserted). */
void confirms_sent(struct confirms *c, void *item);
/* What publish `number` was; NULL if it is confirmed already, or never was. */
void *confirms_find(const struct confirms *c, uint64_t number);
/* Takes the oldest unconfirmed one, if its number is at most `number`; NULL if there is none. */
void *confirms_take_until(struct confirms *c, uint64_t number);
/* Takes just this one; NULL as in find. */
void *confirms_take(struct confirms *c, uint64_t number);
size_t confirms_outstanding(const struct confirms *c);

#endif
