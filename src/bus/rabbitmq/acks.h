/* Which deliveries of a channel are acknowledged when: settled in any order, acknowledged with as few frames as the
 * protocol allows.
 *
 *   outstanding   3  4  5  6  7        settled: 3 4 6
 *   flush         ack(4, multiple)     3 and 4, contiguous from the oldest
 *                 ack(6)               5 is still out, so 6 must stand alone
 *
 * A tag is acknowledged once and is never again the end of a multiple acknowledgement: RabbitMQ closes the channel for
 * that (PRECONDITION_FAILED, unknown delivery tag). Source: AMQP 0-9-1, basic.ack. */
#ifndef GRID_BUS_RABBITMQ_ACKS_H
#define GRID_BUS_RABBITMQ_ACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct acks;

/* Returns 0, or an error which ends the flush and is passed on. */
typedef int acks_send_fn(void *arg, uint64_t tag, bool multiple);

/* Room for `capacity` outstanding tags: the prefetch count. NULL when out of memory. */
struct acks *acks_new(size_t capacity);
struct acks *acks_free(struct acks *a); /* takes and returns NULL */
/* A new channel: forgets all. */
void acks_reset(struct acks *a);
/* A delivery came; tags rise. More than `capacity` outstanding is the broker's mistake: -EPROTO. */
GRID_MUST_CHECK int acks_delivered(struct acks *a, uint64_t tag);
/* It is done with. Once for every tag (asserted). */
void acks_settle(struct acks *a, uint64_t tag);
/* It was rejected (before the next flush: a multiple acknowledgement may span it), so it is never to be acknowledged.
 * Not for one that is settled. */
void acks_forget(struct acks *a, uint64_t tag);
/* Sends what is settled. */
GRID_MUST_CHECK int acks_flush(struct acks *a, acks_send_fn *send, void *arg);
/* Is there anything that acks_flush() would send? */
bool acks_waiting(const struct acks *a);
size_t acks_capacity(const struct acks *a);
size_t acks_outstanding(const struct acks *a);

#endif
