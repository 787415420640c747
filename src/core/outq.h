/* What waits to be sent to one client: references to shared frames, oldest first, charged by their bytes. */
#ifndef GRID_CORE_OUTQ_H
#define GRID_CORE_OUTQ_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct msgbuf;

/* Zeroed = empty. A single frame lies in the queue itself: with few messages that is the only one there ever is, and
 * costs no allocation (callgrind: 190 of 850 instructions for a delivery to a room). */
struct outq {
	union {
		struct msgbuf *single;
		struct msgbuf **slots; /* a ring of `cap`, a power of two */
	};
	uint32_t cap; /* 0: `single` */
	uint32_t head;
	uint32_t n;
	uint32_t bytes;
};

/* Drops all and frees the ring. */
void outq_deinit(struct outq *q);
/* Appends one frame, taking a reference. -ENOMEM. */
GRID_MUST_CHECK int outq_push(struct outq *q, struct msgbuf *frame);
/* The oldest frame without taking it, or NULL. */
struct msgbuf *outq_peek(struct outq *q);
/* Takes the oldest frame with its reference, or NULL. */
struct msgbuf *outq_pop(struct outq *q);

#endif
