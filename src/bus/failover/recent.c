#include "bus/failover/recent.h"

#include <stdlib.h>

#include "base/err.h"

/* Entries lie in one array and name each other by index; 0 is nobody, and the ring of ages begins and ends there. */
struct entry {
	uint64_t id;
	uint64_t value;
	uint64_t at_ms;
	uint32_t chain; /* the next one in its bucket, or in the list of free ones */
	uint32_t older, younger;
};

struct recent {
	size_t max;
	uint64_t keep_ms;
	size_t n;
	size_t used; /* entries that were ever used: those above need no list of free ones */
	uint64_t crowded_out;
	uint32_t free;
	uint32_t mask;
	uint32_t *buckets;
	struct entry *entries;
};

struct recent *recent_new(size_t max, uint64_t keep_ms)
{
	struct recent *r = calloc(1, sizeof(*r));
	size_t buckets = 1;

	GRID_ASSERT(max > 0 && max < UINT32_MAX / 2);
	while (buckets < max)
		buckets *= 2;
	if (!r)
		return NULL;
	r->max = max;
	r->keep_ms = keep_ms;
	r->mask = (uint32_t)buckets - 1;
	r->buckets = calloc(buckets, sizeof(*r->buckets));
	r->entries = calloc(max + 1, sizeof(*r->entries));
	if (!r->buckets || !r->entries)
		return recent_free(r);
	return r;
}

struct recent *recent_free(struct recent *r)
{
	if (r) {
		free(r->buckets);
		free(r->entries);
		free(r);
	}
	return NULL;
}

static uint32_t *bucket_of(struct recent *r, uint64_t id)
{
	return &r->buckets[id & r->mask];
}

static void unlink_age(struct recent *r, uint32_t i)
{
	struct entry *e = &r->entries[i];

	r->entries[e->older].younger = e->younger;
	r->entries[e->younger].older = e->older;
}

/* The youngest stands just below 0, the oldest just above it. */
static void link_youngest(struct recent *r, uint32_t i)
{
	struct entry *e = &r->entries[i];

	e->older = r->entries[0].older;
	e->younger = 0;
	r->entries[e->older].younger = i;
	r->entries[0].older = i;
}

static void forget(struct recent *r, uint32_t i)
{
	uint32_t *at = bucket_of(r, r->entries[i].id);

	while (*at != i)
		at = &r->entries[*at].chain;
	*at = r->entries[i].chain;
	unlink_age(r, i);
	r->entries[i].chain = r->free;
	r->free = i;
	r->n--;
}

static void expire(struct recent *r, uint64_t now_ms)
{
	for (uint32_t i; (i = r->entries[0].younger) && r->entries[i].at_ms + r->keep_ms <= now_ms;)
		forget(r, i);
}

static uint32_t take_free(struct recent *r)
{
	if (!r->free && r->used == r->max) {
		r->crowded_out++;
		forget(r, r->entries[0].younger);
	}
	uint32_t i = r->free;
	if (!i)
		return (uint32_t)++r->used;
	r->free = r->entries[i].chain;
	return i;
}

static uint32_t find(struct recent *r, uint64_t id, uint64_t now_ms)
{
	expire(r, now_ms);
	uint32_t i = *bucket_of(r, id);
	while (i && r->entries[i].id != id)
		i = r->entries[i].chain;
	return i;
}

static uint32_t add(struct recent *r, uint64_t id)
{
	uint32_t i = take_free(r);
	uint32_t *bucket = bucket_of(r, id);

	r->entries[i] = (struct entry){.id = id, .chain = *bucket};
	*bucket = i;
	r->n++;
	return i;
}

uint64_t *recent_find(struct recent *r, uint64_t id, uint64_t now_ms)
{
	uint32_t i = find(r, id, now_ms);
	return i ? &r->entries[i].value : NULL;
}

uint64_t *recent_touch(struct recent *r, uint64_t id, uint64_t now_ms)
{
	uint32_t i = find(r, id, now_ms);

	if (i)
		unlink_age(r, i);
	else
		i = add(r, id);
	r->entries[i].at_ms = now_ms;
	link_youngest(r, i);
	return &r->entries[i].value;
}

bool recent_seen(struct recent *r, uint64_t id, uint64_t now_ms)
{
	uint64_t *times = recent_touch(r, id, now_ms);
	return (*times)++ > 0;
}

size_t recent_count(const struct recent *r)
{
	return r->n;
}

uint64_t recent_crowded_out(const struct recent *r)
{
	return r->crowded_out;
}
