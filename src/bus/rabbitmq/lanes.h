/* Results in order per key. Confirms come in any order, and a message nobody is bound for goes out twice before its
 * result is known; core hears of the publishes to one key in the order it made them, and nobody waits for another key.
 *
 * Every letter of a publication is in the lane its key hashes to, oldest first; a result leaves when it reaches the
 * front. Two keys in one lane only wait for each other. */
#ifndef GRID_BUS_RABBITMQ_LANES_H
#define GRID_BUS_RABBITMQ_LANES_H

#include "bus/rabbitmq/mail.h"

#define LANES 1024

struct lanes {
	struct lane {
		struct letter *head, *tail;
	} lanes[LANES];
};

typedef void lanes_out_fn(void *arg, struct letter *letter);

void lanes_enter(struct lanes *lanes, struct letter *letter);
/* The letter has its result: it leaves by `out`, and those behind it that were waiting, or it waits. */
void lanes_done(struct lanes *lanes, struct letter *letter, lanes_out_fn *out, void *arg);

#endif
