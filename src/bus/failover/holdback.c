#include "bus/failover/holdback.h"

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>
#include <utlist.h>

#include "bus/failover/recent.h"
#include "bus/failover/sides.h"

struct place {
	uint64_t stream;
	uint64_t seq;
};

struct held {
	UT_hash_handle hh; /* by place */
	struct held *prev, *next;
	struct place place;
	uint64_t due_ms;
	struct bus_delivery *delivery;
};

struct holdback {
	struct holdback_limits limits;
	struct recent *streams; /* the last number that went on, and the way it came: value_of() */
	struct held *by_place;
	struct held *waiting; /* in order of arrival, so the first is the first due */
	struct held *ready;   /* to go on, in this order */
	size_t n;             /* waiting */
	uint64_t given_up;
};

struct holdback *holdback_new(const struct holdback_limits *limits)
{
	struct holdback *h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->limits = *limits;
	h->streams = recent_new(limits->streams, limits->keep_ms);
	return h->streams ? h : holdback_free(h);
}

static void free_list(struct held *list)
{
	struct held *held, *next;

	DL_FOREACH_SAFE(list, held, next)
		free(held);
}

struct holdback *holdback_free(struct holdback *h)
{
	if (h) {
		HASH_CLEAR(hh, h->by_place);
		free_list(h->waiting);
		free_list(h->ready);
		recent_free(h->streams);
		free(h);
	}
	return NULL;
}

/* The value of a stream: the number above, the way in the lowest bits. */
static uint64_t value_of(uint64_t seq, unsigned way)
{
	return seq << WAY_BITS | way;
}

static uint64_t seq_in(uint64_t value)
{
	return value >> WAY_BITS;
}

static unsigned way_in(uint64_t value)
{
	return value & ((1u << WAY_BITS) - 1);
}

static void went_on(struct holdback *h, const struct bus_delivery *d, uint64_t now_ms)
{
	uint64_t *value = recent_touch(h->streams, d->stream, now_ms);

	/* 1 is the first, or the first since the sender has forgotten how far it was. */
	if (d->seq == 1 || d->seq > seq_in(*value))
		*value = value_of(d->seq, d->way);
}

/* May what comes before it still come another way? */
static bool must_wait(struct holdback *h, const struct bus_delivery *d, uint64_t now_ms)
{
	const uint64_t *value = recent_find(h->streams, d->stream, now_ms);

	if (!value || d->seq <= seq_in(*value) + 1 || d->seq == 1)
		return false;
	return way_in(*value) != d->way;
}

static struct held *find(struct holdback *h, uint64_t stream, uint64_t seq)
{
	const struct place place = {stream, seq};
	struct held *held;

	HASH_FIND(hh, h->by_place, &place, sizeof(place), held);
	return held;
}

/* NULL: out of memory, or the place is taken. */
static struct held *hold(struct holdback *h, struct bus_delivery *d, uint64_t now_ms)
{
	struct held *held = find(h, d->stream, d->seq) ? NULL : calloc(1, sizeof(*held));
	if (!held)
		return NULL;
	held->place = (struct place){d->stream, d->seq};
	held->due_ms = now_ms + h->limits.hold_ms;
	held->delivery = d;
	HASH_ADD(hh, h->by_place, place, sizeof(held->place), held);
	if (!held->hh.tbl) {
		free(held);
		return NULL;
	}
	DL_APPEND(h->waiting, held);
	h->n++;
	return held;
}

static void make_ready(struct holdback *h, struct held *held, uint64_t now_ms)
{
	HASH_DEL(h->by_place, held);
	DL_DELETE(h->waiting, held);
	h->n--;
	went_on(h, held->delivery, now_ms);
	DL_APPEND(h->ready, held);
}

/* Those that follow `seq` without a gap. */
static void make_followers_ready(struct holdback *h, uint64_t stream, uint64_t seq, uint64_t now_ms)
{
	for (struct held *held; (held = find(h, stream, ++seq));)
		make_ready(h, held, now_ms);
}

/* The lowest one held of a stream, if it is not above `seq`. */
static struct held *lowest(struct holdback *h, uint64_t stream, uint64_t seq)
{
	struct held *held, *low = NULL;

	DL_FOREACH(h->waiting, held)
		if (held->place.stream == stream && held->place.seq <= seq && (!low || held->place.seq < low->place.seq))
			low = held;
	return low;
}

/* Nothing that is missing up to `seq` comes any more. */
static void make_earlier_ready(struct holdback *h, uint64_t stream, uint64_t seq, uint64_t now_ms)
{
	for (struct held *held; (held = lowest(h, stream, seq));)
		make_ready(h, held, now_ms);
}

bool holdback_pass(struct holdback *h, struct bus_delivery *d, uint64_t now_ms)
{
	bool wait = must_wait(h, d, now_ms);

	if (!wait && !h->waiting) {
		went_on(h, d, now_ms);
		return true;
	}
	struct held *held = hold(h, d, now_ms);
	if (!held) {
		went_on(h, d, now_ms);
		return true;
	}
	if (!wait) {
		make_earlier_ready(h, d->stream, d->seq, now_ms);
		make_followers_ready(h, d->stream, d->seq, now_ms);
	}
	return false;
}

void holdback_repeat(struct holdback *h, const struct bus_delivery *d, uint64_t now_ms)
{
	const uint64_t *value = recent_find(h->streams, d->stream, now_ms);

	if (!find(h, d->stream, d->seq) || !value || way_in(*value) != d->way)
		return;
	make_earlier_ready(h, d->stream, d->seq, now_ms);
	make_followers_ready(h, d->stream, d->seq, now_ms);
}

/* Time is over for one of this stream: the lowest goes on, so that order holds among those that are here. */
static void give_up(struct holdback *h, uint64_t stream, uint64_t now_ms)
{
	struct held *held = lowest(h, stream, UINT64_MAX);
	uint64_t seq = held->place.seq;

	h->given_up++;
	make_ready(h, held, now_ms);
	make_followers_ready(h, stream, seq, now_ms);
}

struct bus_delivery *holdback_next(struct holdback *h, uint64_t now_ms)
{
	while (!h->ready && h->waiting && (h->waiting->due_ms <= now_ms || h->n > h->limits.held))
		give_up(h, h->waiting->place.stream, now_ms);
	struct held *held = h->ready;
	if (!held)
		return NULL;
	struct bus_delivery *d = held->delivery;
	DL_DELETE(h->ready, held);
	free(held);
	return d;
}

size_t holdback_count(const struct holdback *h)
{
	return h->n;
}

uint64_t holdback_given_up(const struct holdback *h)
{
	return h->given_up;
}
