/* What nodes tell each other over the fallback about the primary: who is cut off from it, and since when.
 *
 *   cut off ───────── every NOTICES_EVERY_MS ────────▶ all nodes: publish over both buses while anyone is
 *           ── with a new number: once for each ────▶ all nodes: and publish again what I have missed since
 *
 * A node says so with a new number when it is cut off, and when the fallback has been away meanwhile, so that nobody
 * heard it and it heard nobody. When it is back it says that, too; and if it dies, its notice expires.
 * Who says something new may not have heard what we have said: it is told at once, not half a second later, since
 * what it has and we have missed must be here before hold-backs end. That holds for what we have missed long ago, too:
 * it may be the one who has it, and hear the fallback only now.
 * A change that cannot be said yet, because the fallback takes nothing, is said when it does: only then its time
 * begins. Pure: no clock, no bus. */
#ifndef GRID_BUS_FAILOVER_NOTICES_H
#define GRID_BUS_FAILOVER_NOTICES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/notice.h"

#define NOTICES_EVERY_MS 500
#define NOTICES_ANSWER_MS 100 /* not more often, whatever others say */
#define NOTICES_EXPIRE_MS 3000
#define NOTICES_LINGER_MS 2000     /* how long a change is repeated, once it has been said */
#define NOTICES_REMEMBER_MS 120000 /* how long it is asked for what was missed: then nobody publishes it again */
#define NOTICES_PEERS_MAX 1024     /* remembered; further ones count only while they are said */

struct peer;

struct notices {
	struct peer *peers;    /* by origin */
	uint64_t any_until_ms; /* until when somebody is cut off, as far as is known */

	/* our own */
	uint64_t number;
	uint64_t cut_since_ms;  /* 0: not cut off */
	uint64_t deaf_since_ms; /* what the fallback may not have brought; 0: nothing */
	uint64_t deaf_at_ms;    /* when it was found out */
	uint64_t say_until_ms;  /* UINT64_MAX: it has not been said yet */
	uint64_t due_ms;
	uint64_t said_ms;
};

/* All zero is nobody cut off, nothing to say. */
void notices_deinit(struct notices *n);

/* What a notice asks for. */
struct notice_demand {
	bool again;               /* there is something to publish again: */
	uint64_t missed_since_ms; /* what was published since then over the primary only */
	uint64_t deaf_since_ms;   /* and, if not 0, since then over the fallback, too */
};

/* Somebody else's has come. */
struct notice_demand notices_heard(struct notices *n, const struct notice *notice, uint64_t now_ms);
/* What we have sent since they said it may not have reached them: their next word is a demand again. */
void notices_hear_anew(struct notices *n);
/* Is a peer cut off? */
bool notices_peer_cut(const struct notices *n, uint64_t now_ms);

/* We are cut off since then; we are not any more; the fallback may have missed something since then. */
void notices_cut(struct notices *n, uint64_t since_ms, uint64_t now_ms);
void notices_whole(struct notices *n, uint64_t now_ms);
void notices_deaf(struct notices *n, uint64_t since_ms, uint64_t now_ms);
/* Fills `out` (all but the origin) if it is time to say something. */
bool notices_due(const struct notices *n, uint64_t now_ms, struct notice *out);
/* Do we ask for what the fallback has not brought? */
bool notices_asks(const struct notices *n, uint64_t now_ms);
/* Is there something that has not been said at all? */
bool notices_unsaid(const struct notices *n);
/* It is on its way. */
void notices_said(struct notices *n, uint64_t now_ms);

#endif
