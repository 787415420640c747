/* Who gets the messages of a topic: an array, as a fan-out along a list waits for memory at each step and cannot fetch
 * ahead (one room of 500: 0.25 of 2.4 us, with what is fetched ahead and session_impl.h). In no order. */
#ifndef GRID_CORE_MEMBERS_H
#define GRID_CORE_MEMBERS_H

#include <stdint.h>

#include "base/err.h"

struct session;
struct subscription;

struct member {
	struct session *session;
	struct subscription *sub;
};

/* All zero: none, and room for none. */
struct members {
	struct member *items;
	uint32_t n, room;
};

/* Sees to it that there is room for `n`, so that members_add() cannot fail. -ENOMEM. */
GRID_MUST_CHECK int members_reserve(struct members *members, uint32_t n);
/* Gives back room of which only `n` are needed, if it is much more; 0: all of it. */
void members_trim(struct members *members, uint32_t n);
/* `sub` has a place here from now on. There must be room. */
void members_add(struct members *members, struct subscription *sub);
/* Another one takes its place. */
void members_remove(struct members *members, const struct subscription *sub);

#endif
