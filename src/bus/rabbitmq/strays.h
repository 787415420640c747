/* Deliveries for users who are not here, on their way to the publisher: which one is next, and which ones wait no
 * longer. No connection, no clock.
 *
 * A stray is unacknowledged until the broker has confirmed the hand-over. If the publisher is stuck (an alarm on the
 * broker, a link that is lost, refusals), strays would fill the prefetch, and nothing would come for anybody. So they
 * get half of it; beyond that the oldest are rejected, which makes dead letters of them inside the broker. That is the
 * second choice: a dead letter keeps its delivery mode, while a hand-over is persistent. */
#ifndef GRID_BUS_RABBITMQ_STRAYS_H
#define GRID_BUS_RABBITMQ_STRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/rabbitmq/letters.h"

struct strays {
	size_t prefetch;
	struct letters waiting; /* oldest first */
	size_t out;             /* with the publisher: at most a quarter of the prefetch, and STRAYS_MAX */
	uint64_t retry_ms;      /* none is sent before: the broker refused one */
	uint64_t moved_ms;      /* the publisher last took or gave back one */
};

void strays_init(struct strays *s, size_t prefetch);
void strays_push(struct strays *s, struct letter *letter);
/* The next one for the publisher, who has it from now on; NULL: none at this moment. */
struct letter *strays_next(struct strays *s, uint64_t now_ms);
/* The publisher has given one back. */
void strays_back(struct strays *s, enum letter_result result, uint64_t now_ms);
/* Does the publisher get nowhere? */
bool strays_stuck(const struct strays *s, bool publisher_up, uint64_t now_ms);
/* Takes those out that are to be rejected, oldest first. Only those of this `life` of the consumer's link count: the
 * others take no part of the prefetch. */
struct letters strays_surplus(struct strays *s, unsigned life);

#endif
