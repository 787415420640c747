/* What comes again after a lost link, and needs no second treatment. No connection, no clock.
 *
 * The broker delivers again what it had no acknowledgement for, and cannot say whether we have had it: we tell by
 * fingerprints (a hash of all there is of a message). Two kinds of deliveries can come again to somebody who knows
 * them:
 *
 *                      acknowledged                    link lost                    comes again
 *   a delivery ──┬──────────────────▶ recent ring ──────────────────▶ SETTLED ──────────────────▶ dropped
 *                │                                                       ▲ settled meanwhile
 *                └───────────────────── still held ──────────────────▶  HELD   ─────────────────▶ takes over the tag
 *
 * An entry is used once: a fingerprint may be there several times, as often as identical messages were sent.
 *
 * How much that can be. At most `prefetch` deliveries are unacknowledged at the broker. It takes acknowledgements in
 * the order in which they were sent, so what was acknowledged and comes again all the same is among the last `prefetch`
 * of them. That holds over several losses in a row: as long as one has not come again, nothing behind it in the queue
 * has either, so what is newer here is of the same few. Only the newest `prefetch` entries are kept.
 *
 * Until when. A queue is a queue: all that comes again comes before anything new. The first delivery that is not marked
 * as redelivered ends the expectation. */
#ifndef GRID_BUS_RABBITMQ_REDELIVERY_H
#define GRID_BUS_RABBITMQ_REDELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct redelivery;

/* An entry. Those of deliveries still held lie in the deliveries, all zero at first; the others are the table's own. */
struct expected {
	uint64_t fingerprint;
	bool listed; /* it may come again */
	bool settled;
	struct expected *chain;       /* the next one in its bucket */
	struct expected *prev, *next; /* of its kind, oldest first */
};

enum redelivery_match { REDELIVERY_NEW, REDELIVERY_SETTLED, REDELIVERY_HELD };

/* NULL when out of memory. Nothing is allocated after this. */
struct redelivery *redelivery_new(size_t prefetch);
/* Takes and returns NULL. The entries of deliveries still held are not touched. */
struct redelivery *redelivery_free(struct redelivery *r);

/* One was acknowledged on the link that is. */
void redelivery_acknowledged(struct redelivery *r, uint64_t fingerprint);
/* That link is lost. Of its acknowledgements the broker is known to have taken the first `taken`; then
 * redelivery_expect() is due for each of its deliveries that is still held. */
void redelivery_lost(struct redelivery *r, uint64_t taken);
void redelivery_expect(struct redelivery *r, struct expected *held);
/* A held one is settled, listed or not. */
void redelivery_settle(struct redelivery *r, struct expected *held);

/* One came, marked as redelivered. HELD: *heldp is the earlier one, not listed any more. */
GRID_MUST_CHECK enum redelivery_match redelivery_match(struct redelivery *r, uint64_t fingerprint,
                                                       struct expected **heldp);
/* One came that is not marked: nothing of before comes any more. */
void redelivery_complete(struct redelivery *r);

#endif
