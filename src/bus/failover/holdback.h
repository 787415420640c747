/* Order of what comes over two buses: per stream (one node's messages to one key), as numbered by the sender.
 *
 *   over one bus      … 14 15 ──────────────── 19          messages of a stream come in order, gaps are what was lost
 *   over the other            16 17 18 ╱                   or was not for us: nothing waits
 *                                     ╱
 *   20 over the other than 15: 16 to 19 may still be on their way over the first ──▶ held until they are there, or
 *   for `hold_ms`
 *
 * So what arrives another way than the last one of its stream, and leaves a gap, is held; and what follows it.
 * Another way is another bus, or the same one after it was lost.
 * When the bus that brought the last one brings something later, or the same again, nothing that is missing can come
 * there any more, and what was held before that goes on.
 *
 * That is not so for a moment after a bus was lost and is back: what others published there before we heard it again
 * comes after what they publish now, once we have asked for it (holdback_asked()). Until then every gap waits, and
 * also the first one that is heard of a stream, unless it is the stream's first. The same holds for what comes over the
 * primary while messages may come both ways (holdback_two_ways()): who was in doubt of it, and is no more, may have
 * left a gap there that the fallback has still to fill. Pure: no clock; the deliveries it holds are the caller's to
 * settle, and lie here meanwhile. */
#ifndef GRID_BUS_FAILOVER_HOLDBACK_H
#define GRID_BUS_FAILOVER_HOLDBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/bus.h"
#include "bus/failover/sides.h"

struct holdback;

struct holdback_limits {
	size_t held; /* deliveries at once, and their bytes; beyond that the oldest goes, whatever is missing */
	size_t bytes;
	uint64_t hold_ms; /* each; what a side brings that is asked, also until that is over: see holdback_asked() */
	size_t streams;   /* remembered, each for `keep_ms` after its last message */
	uint64_t keep_ms;
};

/* NULL when out of memory. */
struct holdback *holdback_new(const struct holdback_limits *limits);
/* Takes and returns NULL. What it still holds is forgotten: the deliveries are whose they were. */
struct holdback *holdback_free(struct holdback *h);

/* What this side has not brought is being asked for: it has `hold_ms` from now on to come, and what the side brings
 * meanwhile waits for as long. There is no other bound: whoever says so again and again must come to an end. */
void holdback_asked(struct holdback *h, enum side side, uint64_t now_ms);
/* Messages may come both ways, for `hold_ms` from now on. */
void holdback_two_ways(struct holdback *h, uint64_t now_ms);

/* One has come (it has a stream). True: it goes on at once. False: it comes out of holdback_next(), perhaps at once,
 * too, behind others. Out of memory nothing is held. */
bool holdback_pass(struct holdback *h, struct bus_delivery *d, uint64_t now_ms);
/* One has come again; `d` is the second one, the first may be held. */
void holdback_repeat(struct holdback *h, const struct bus_delivery *d, uint64_t now_ms);
/* The next one that may go on now, or NULL. To be asked after each of the two above, and as time goes by. */
struct bus_delivery *holdback_next(struct holdback *h, uint64_t now_ms);

size_t holdback_count(const struct holdback *h);
size_t holdback_bytes(const struct holdback *h);
/* How many gaps were given up: what stood behind them went on although what was missing had not come; and how many of
 * these for want of room. */
uint64_t holdback_given_up(const struct holdback *h);
uint64_t holdback_crowded_out(const struct holdback *h);

#endif
