#include "bus/rabbitmq/redelivery.h"

#include <stdlib.h>
#include <utlist.h>

struct redelivery {
	size_t prefetch;
	uint64_t *recent; /* a ring: fingerprints of what was acknowledged on the link that is */
	uint64_t recent_n;
	struct expected *settled; /* oldest first */
	struct expected *held;
	struct expected *pool; /* `prefetch` entries, for the settled ones */
	struct expected *free;
	struct expected **buckets; /* both kinds, by fingerprint */
	uint64_t mask;
};

struct redelivery *redelivery_new(size_t prefetch)
{
	struct redelivery *r = calloc(1, sizeof(*r));
	size_t n_buckets = 1;

	if (!r)
		return NULL;
	while (n_buckets < prefetch)
		n_buckets *= 2;
	r->prefetch = prefetch;
	r->mask = n_buckets - 1;
	r->recent = calloc(prefetch, sizeof(*r->recent));
	r->pool = calloc(prefetch, sizeof(*r->pool));
	r->buckets = calloc(n_buckets, sizeof(*r->buckets));
	if (!r->recent || !r->pool || !r->buckets)
		return redelivery_free(r);
	for (size_t i = 0; i < prefetch; i++)
		LL_PREPEND2(r->free, &r->pool[i], next);
	return r;
}

struct redelivery *redelivery_free(struct redelivery *r)
{
	if (r) {
		free(r->recent);
		free(r->pool);
		free(r->buckets);
		free(r);
	}
	return NULL;
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static struct expected **bucket_of(struct redelivery *r, uint64_t fingerprint)
{
	return &r->buckets[fingerprint & r->mask];
}

static void list(struct redelivery *r, struct expected *e)
{
	e->listed = true;
	LL_PREPEND2(*bucket_of(r, e->fingerprint), e, chain);
	if (e->settled)
		DL_APPEND(r->settled, e);
	else
		DL_APPEND(r->held, e);
}

static void unlist(struct redelivery *r, struct expected *e)
{
	e->listed = false;
	LL_DELETE2(*bucket_of(r, e->fingerprint), e, chain);
	if (e->settled) {
		DL_DELETE(r->settled, e);
		LL_PREPEND2(r->free, e, next);
	} else {
		DL_DELETE(r->held, e);
	}
}

static void list_settled(struct redelivery *r, uint64_t fingerprint)
{
	if (!r->free)
		unlist(r, r->settled);
	struct expected *e = r->free;
	LL_DELETE2(r->free, e, next);
	*e = (struct expected){.fingerprint = fingerprint, .settled = true};
	list(r, e);
}

/* --- what happens ------------------------------------------------------------------------------------------------- */

void redelivery_acknowledged(struct redelivery *r, uint64_t fingerprint)
{
	r->recent[r->recent_n++ % r->prefetch] = fingerprint;
}

void redelivery_lost(struct redelivery *r, uint64_t taken)
{
	uint64_t i = r->recent_n > r->prefetch ? r->recent_n - r->prefetch : 0;

	for (i = taken > i ? taken : i; i < r->recent_n; i++)
		list_settled(r, r->recent[i % r->prefetch]);
	r->recent_n = 0;
}

void redelivery_expect(struct redelivery *r, struct expected *held)
{
	list(r, held);
}

void redelivery_settle(struct redelivery *r, struct expected *held)
{
	if (!held->listed)
		return;
	unlist(r, held);
	list_settled(r, held->fingerprint);
}

/* A held one first: it comes for certain, and needs the tag. */
enum redelivery_match redelivery_match(struct redelivery *r, uint64_t fingerprint, struct expected **heldp)
{
	struct expected *found = NULL;

	for (struct expected *e = *bucket_of(r, fingerprint); e && !(found && !found->settled); e = e->chain)
		if (e->fingerprint == fingerprint)
			found = e;
	if (!found)
		return REDELIVERY_NEW;
	unlist(r, found);
	if (found->settled)
		return REDELIVERY_SETTLED;
	*heldp = found;
	return REDELIVERY_HELD;
}

void redelivery_complete(struct redelivery *r)
{
	while (r->settled)
		unlist(r, r->settled);
	while (r->held)
		unlist(r, r->held);
}
