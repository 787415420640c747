/* Which keys core wants, and what each of the two buses has of them.
 *
 * Core deals with one bus and is told of one outcome. Below, a key is bound on either side by itself, as core's topic
 * registry does it for one; the next operation is a pure function of what is wanted and what the side has:
 *
 *   has        wanted     not wanted
 *   NO         bind       –
 *   ASKED      wait       wait
 *   YES        –          unbind
 *   REMOVING   wait       wait
 *   UNKNOWN    bind       unbind
 *
 * A key is *promised* once core has been told that it is bound, and a side *owes* it while it has it not. A key that a
 * side refuses is owed no more, and tried again every few seconds. *Spare* are keys that a side still has from before
 * and core may want again in a moment: they are not unbound yet.
 *
 * It never calls a bus: whoever does takes bindings_next() as long as the bus has room. */
#ifndef GRID_BUS_FAILOVER_BINDINGS_H
#define GRID_BUS_FAILOVER_BINDINGS_H

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>

#include "bus/bus.h"
#include "bus/failover/sides.h"

#define BINDINGS_RETRY_MS 5000  /* after a refusal */
#define BINDINGS_SPARE_MS 30000 /* how long a spare one waits for core */

enum binding_has { HAS_NO, HAS_ASKED, HAS_YES, HAS_REMOVING, HAS_UNKNOWN };
enum binding_op { BINDING_NONE, BINDING_BIND, BINDING_UNBIND };

enum binding_op binding_next_op(bool wanted, enum binding_has has);

/* On one side; in at most one of its lists. */
enum binding_list { LIST_BIND, LIST_UNBIND, LIST_SENT, LIST_COUNT, LIST_NONE = LIST_COUNT };

struct binding_place {
	struct binding *prev, *next;
	uint64_t sent_ms;
	uint8_t has;  /* enum binding_has */
	uint8_t list; /* enum binding_list */
	bool refused;
	bool owed;
};

struct binding {
	UT_hash_handle hh;
	struct binding_place on[SIDES];
	uint32_t asks; /* of core, not answered yet */
	bool wanted;
	bool promised;
	bool spare;
	struct key key;
};

struct bindings {
	struct binding *by_key;
	struct binding *lists[SIDES][LIST_COUNT];
	size_t owed[SIDES];
	size_t refused;
	uint64_t retry_ms;
	uint64_t spare_until_ms; /* 0: none is */
};

/* All zero is empty. */
void bindings_deinit(struct bindings *b);

/* Core asks; the binding stays until bindings_tell(). -ENOMEM. */
GRID_MUST_CHECK int bindings_ask(struct bindings *b, const struct key *key, bool want, struct binding **bindingp);
/* Core is told. It may be gone afterwards. */
void bindings_tell(struct bindings *b, struct binding *binding, enum bus_bind_result result);
/* Has this side done what is wanted, or refused it? */
bool binding_settled(const struct binding *binding, enum side side);
bool binding_refused(const struct binding *binding, enum side side);

/* The next one that this side has to bind or unbind; binds first. NULL: none. */
struct binding *bindings_next(struct bindings *b, enum side side, enum binding_op *opp);
/* The side accepted it. */
void bindings_sent(struct bindings *b, struct binding *binding, enum side side, enum binding_op op, uint64_t now_ms);
/* The side answered. */
void bindings_outcome(struct bindings *b, enum side side, const struct key *key, enum bus_bind_result result);
/* The side has this one from an earlier life of the node; core has been told if `promised`. -ENOMEM. */
GRID_MUST_CHECK int bindings_restored(struct bindings *b, enum side side, const struct key *key, bool promised,
                                      uint64_t now_ms);
/* The side is up again. Nothing is under way there. */
void bindings_up(struct bindings *b, enum side side, enum bus_bindings bindings);
/* Core is told that all is lost, and asks again for what it wants. No ask may be left. */
void bindings_forget(struct bindings *b, uint64_t now_ms);
/* Tries refused ones again, gives up spare ones, when it is time. */
void bindings_tick(struct bindings *b, uint64_t now_ms);

/* Since when the oldest operation under way has been so; UINT64_MAX: none is. */
uint64_t bindings_oldest_ms(const struct bindings *b, enum side side);
size_t bindings_owed(const struct bindings *b, enum side side);

#endif
