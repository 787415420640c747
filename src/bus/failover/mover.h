/* What the fallback has kept for absent users goes to where the primary keeps it, once the primary is good again: a few
 * at a time, by one node at a time, each deleted there only when the primary has confirmed it.
 *
 *   RESTING ──due──▶ ASKED ──some──▶ MOVING ──all answered──▶ (moved; next) RESTING
 *                      └──none──▶ RESTING
 *
 * Dies one of the two meanwhile, what was not deleted is found again: it may then be there twice. */
#ifndef GRID_BUS_FAILOVER_MOVER_H
#define GRID_BUS_FAILOVER_MOVER_H

#include "bus/bus.h"

enum mover_state { MOVER_RESTING, MOVER_ASKED, MOVER_MOVING };

struct mover {
	enum mover_state state;
	uint64_t due_ms;
	size_t n;    /* being moved */
	size_t open; /* of these, not answered yet */
	bool lost;   /* the fallback went away: its answer means nothing any more */
	bool moved[BUS_STORED_MAX];
	uint64_t total;
};

/* The primary is good. */
void mover_tick(struct mover *m, struct bus *fallback, uint64_t now_ms);
/* The fallback is down. */
void mover_lost(struct mover *m);
void mover_on_stored(struct mover *m, struct bus *primary, struct bus *fallback, const struct bus_stored *stored,
                     size_t n, uint64_t now_ms);
/* The outcome of one that it published; `index` was its token. */
void mover_on_published(struct mover *m, struct bus *fallback, size_t index, bool moved, uint64_t now_ms);

#endif
