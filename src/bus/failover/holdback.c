#include "bus/failover/holdback.h"

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1 /* uthash would end the process */
#include <uthash.h>
#include <utlist.h>

#include "bus/failover/recent.h"

/* In the list of its stream, and in that of the side that brought it. */
struct held {
	struct held *prev, *next;
	struct held *side_prev, *side_next;
	struct stream *stream;
	uint64_t came_ms;
	struct bus_delivery *delivery;
};

/* A stream of which something is held. */
struct stream {
	UT_hash_handle hh;
	uint64_t id;
	struct held *held; /* lowest number first */
};

struct holdback {
	struct holdback_limits limits;
	struct recent *last; /* of each stream: the last number that went on, and the way it came, see value_of() */
	struct stream *streams;
	struct held *waiting[SIDES]; /* in order of arrival, so the first is the first due */
	struct held *ready;          /* to go on, in this order */
	uint64_t asked_until_ms[SIDES];
	uint64_t two_ways_until_ms;
	size_t n; /* waiting */
	size_t bytes;
	uint64_t given_up;
	uint64_t crowded_out;
};

struct holdback *holdback_new(const struct holdback_limits *limits)
{
	struct holdback *h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->limits = *limits;
	h->last = recent_new(limits->streams, limits->keep_ms);
	return h->last ? h : holdback_free(h);
}

static void free_list(struct held *list)
{
	struct held *held, *next;

	DL_FOREACH_SAFE(list, held, next)
		free(held);
}

struct holdback *holdback_free(struct holdback *h)
{
	struct stream *stream, *next;

	if (!h)
		return NULL;
	HASH_ITER(hh, h->streams, stream, next) {
		HASH_DEL(h->streams, stream);
		free_list(stream->held);
		free(stream);
	}
	free_list(h->ready);
	recent_free(h->last);
	free(h);
	return NULL;
}

/* --- what has gone on --------------------------------------------------------------------------------------------- */

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

/* Is what this one's side has not brought being asked for? */
static bool is_asked(const struct holdback *h, const struct bus_delivery *d, uint64_t now_ms)
{
	return now_ms < h->asked_until_ms[way_side(d->way)];
}

/* A lower number the same way: the sender has forgotten how far it was, and counts anew. Another way it may be an old
 * one that was under way for long. What is below for long is forgotten in time, since it is not touched. */
static void went_on(struct holdback *h, const struct bus_delivery *d, uint64_t now_ms)
{
	const uint64_t *last = recent_find(h->last, d->stream, now_ms);

	if (last && d->seq <= seq_in(*last) && (d->way != way_in(*last) || is_asked(h, d, now_ms)))
		return;
	*recent_touch(h->last, d->stream, now_ms) = value_of(d->seq, d->way);
}

/* --- what has to wait --------------------------------------------------------------------------------------------- */

void holdback_asked(struct holdback *h, enum side side, uint64_t now_ms)
{
	h->asked_until_ms[side] = now_ms + h->limits.hold_ms;
}

void holdback_two_ways(struct holdback *h, uint64_t now_ms)
{
	h->two_ways_until_ms = now_ms + h->limits.hold_ms;
}

/* May what comes before it still come? */
static bool must_wait(struct holdback *h, const struct bus_delivery *d, uint64_t now_ms)
{
	const uint64_t *last = recent_find(h->last, d->stream, now_ms);
	bool unsure = is_asked(h, d, now_ms) || (way_side(d->way) == SIDE_PRIMARY && now_ms < h->two_ways_until_ms);

	if (d->seq == 1)
		return false;
	if (!last)
		return unsure;
	return d->seq > seq_in(*last) + 1 && (unsure || way_in(*last) != d->way);
}

static struct stream *find_stream(struct holdback *h, uint64_t id)
{
	struct stream *stream;
	HASH_FIND(hh, h->streams, &id, sizeof(id), stream);
	return stream;
}

static struct stream *find_or_add_stream(struct holdback *h, uint64_t id)
{
	struct stream *stream = find_stream(h, id);
	if (stream)
		return stream;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return NULL;
	stream->id = id;
	HASH_ADD(hh, h->streams, id, sizeof(stream->id), stream);
	if (stream->hh.tbl)
		return stream;
	free(stream);
	return NULL;
}

static void drop_empty_stream(struct holdback *h, struct stream *stream)
{
	if (stream->held)
		return;
	HASH_DEL(h->streams, stream);
	free(stream);
}

/* What is for a user its driver keeps as it came, too, to hand it over; that is no longer than the frame, about. */
static size_t size_of(const struct bus_delivery *d)
{
	size_t bytes = sizeof(struct held) + sizeof(*d);

	for (size_t i = 0; i < d->n_targets; i++)
		bytes += sizeof(d->targets[i]) + d->targets[i].frame->len * (d->targets[i].key.kind == KEY_USER ? 2 : 1);
	return bytes;
}

/* The last one that is not above `seq`; NULL: all are. They mostly come in order, so this is one look. */
static struct held *at_or_below(struct stream *stream, uint64_t seq)
{
	struct held *held = stream->held ? stream->held->prev : NULL;

	while (held && held->delivery->seq > seq)
		held = held == stream->held ? NULL : held->prev;
	return held;
}

static struct held *held_at(struct stream *stream, uint64_t seq)
{
	struct held *held = at_or_below(stream, seq);
	return held && held->delivery->seq == seq ? held : NULL;
}

/* False: out of memory, or its place is taken. */
static bool hold(struct holdback *h, struct bus_delivery *d, uint64_t now_ms)
{
	struct stream *stream = find_or_add_stream(h, d->stream);
	struct held *held = stream && !held_at(stream, d->seq) ? calloc(1, sizeof(*held)) : NULL;

	if (!held) {
		if (stream)
			drop_empty_stream(h, stream);
		return false;
	}
	struct held *before = at_or_below(stream, d->seq);
	held->stream = stream;
	held->came_ms = now_ms;
	held->delivery = d;
	DL_APPEND_ELEM(stream->held, before, held);
	DL_APPEND2(h->waiting[way_side(d->way)], held, side_prev, side_next);
	h->n++;
	h->bytes += size_of(d);
	return true;
}

/* --- what goes on ------------------------------------------------------------------------------------------------- */

static void make_ready(struct holdback *h, struct held *held, uint64_t now_ms)
{
	DL_DELETE(held->stream->held, held);
	DL_DELETE2(h->waiting[way_side(held->delivery->way)], held, side_prev, side_next);
	h->n--;
	h->bytes -= size_of(held->delivery);
	went_on(h, held->delivery, now_ms);
	DL_APPEND(h->ready, held);
}

/* Those up to `seq`, of which nothing that is missing comes any more, and those that follow without a gap. The stream
 * may be gone afterwards. */
static void make_ready_up_to(struct holdback *h, struct stream *stream, uint64_t seq, uint64_t now_ms)
{
	for (struct held *held; (held = stream->held) && held->delivery->seq <= seq + 1;) {
		if (held->delivery->seq > seq)
			seq = held->delivery->seq;
		make_ready(h, held, now_ms);
	}
	drop_empty_stream(h, stream);
}

/* Where something of its stream is held it has to stand in line. */
bool holdback_pass(struct holdback *h, struct bus_delivery *d, uint64_t now_ms)
{
	bool wait = must_wait(h, d, now_ms);
	bool in_line = wait || (h->n && find_stream(h, d->stream));

	if (!in_line || !hold(h, d, now_ms)) {
		went_on(h, d, now_ms);
		return true;
	}
	if (!wait)
		make_ready_up_to(h, find_stream(h, d->stream), d->seq, now_ms);
	return false;
}

/* It has come over both buses, and over one of them the last one, too: what is missing will not come any more. The same
 * bus once more, after it was lost, says nothing of the other. */
static bool closes_gap(struct holdback *h, const struct held *held, const struct bus_delivery *d, uint64_t now_ms)
{
	const uint64_t *last = recent_find(h->last, d->stream, now_ms);
	unsigned first_way = held->delivery->way;

	if (way_side(d->way) == way_side(first_way) || is_asked(h, d, now_ms) || is_asked(h, held->delivery, now_ms))
		return false;
	return !last || way_in(*last) == d->way || way_in(*last) == first_way;
}

void holdback_repeat(struct holdback *h, const struct bus_delivery *d, uint64_t now_ms)
{
	struct stream *stream = h->n ? find_stream(h, d->stream) : NULL;
	const struct held *held = stream ? held_at(stream, d->seq) : NULL;

	if (held && closes_gap(h, held, d, now_ms))
		make_ready_up_to(h, stream, d->seq, now_ms);
}

static struct held *overdue(struct holdback *h, uint64_t now_ms)
{
	for (int side = 0; side < SIDES; side++) {
		struct held *first = h->waiting[side];
		if (first && now_ms >= first->came_ms + h->limits.hold_ms && now_ms >= h->asked_until_ms[side])
			return first;
	}
	return NULL;
}

static struct held *oldest(struct holdback *h)
{
	struct held *primary = h->waiting[SIDE_PRIMARY], *fallback = h->waiting[SIDE_FALLBACK];

	if (!primary || !fallback)
		return primary ? primary : fallback;
	return primary->came_ms <= fallback->came_ms ? primary : fallback;
}

/* Time is over for one of this stream: the lowest goes on, so that order holds among those that are here. */
static void give_up(struct holdback *h, struct stream *stream, uint64_t now_ms)
{
	h->given_up++;
	make_ready_up_to(h, stream, stream->held->delivery->seq, now_ms);
}

static void make_overdue_ready(struct holdback *h, uint64_t now_ms)
{
	bool crowded = h->n > h->limits.held || h->bytes > h->limits.bytes;
	struct held *held = crowded ? oldest(h) : overdue(h, now_ms);

	if (!held)
		return;
	h->crowded_out += crowded;
	give_up(h, held->stream, now_ms);
}

struct bus_delivery *holdback_next(struct holdback *h, uint64_t now_ms)
{
	if (!h->ready && h->n)
		make_overdue_ready(h, now_ms);
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

size_t holdback_bytes(const struct holdback *h)
{
	return h->bytes;
}

uint64_t holdback_given_up(const struct holdback *h)
{
	return h->given_up;
}

uint64_t holdback_crowded_out(const struct holdback *h)
{
	return h->crowded_out;
}
