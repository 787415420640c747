#include "bus/failover/window.h"

#include <stdlib.h>

#include <utlist.h>

void window_init(struct window *w, const struct window_limits *limits)
{
	*w = (struct window){.limits = *limits};
}

static size_t size_of(const struct kept *kept)
{
	const struct message *m = &kept->original->message;
	return sizeof(*kept) + sizeof(*kept->original) + m->id.n + m->type.n + m->from.n + m->session.n + m->origin.n +
	       m->content_type.n + m->body.n;
}

static void kept_free(struct kept *kept)
{
	bus_publication_free(kept->original);
	bus_publication_free(kept->asked);
	free(kept);
}

static bool is_waiting(const struct kept *kept)
{
	return kept->on[SIDE_PRIMARY].stage == COPY_WAITING || kept->on[SIDE_FALLBACK].stage == COPY_WAITING;
}

static bool is_under_way(const struct kept *kept)
{
	return kept->on[SIDE_PRIMARY].stage == COPY_SENT || kept->on[SIDE_FALLBACK].stage == COPY_SENT;
}

/* Frees it when nobody needs it any more. */
static void release(struct kept *kept)
{
	if (!kept->in_window && !kept->asked && !is_under_way(kept))
		kept_free(kept);
}

void window_unqueue(struct window *w, struct kept *kept, enum side side)
{
	if (kept->on[side].stage != COPY_WAITING)
		return;
	DL_DELETE2(w->waiting[side], kept, on[side].prev, on[side].next);
	kept->on[side].stage = COPY_NONE;
}

static void fall_out(struct window *w, struct kept *kept)
{
	for (int side = 0; side < SIDES; side++)
		window_unqueue(w, kept, (enum side)side);
	DL_DELETE(w->all, kept);
	w->n--;
	w->bytes -= size_of(kept);
	kept->in_window = false;
	release(kept);
}

struct kept *window_add(struct window *w, struct bus_publication *asked, uint64_t seq, uint64_t hash, uint64_t now_ms)
{
	struct message numbered = asked->message;
	struct kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	numbered.seq = seq;
	kept->original = bus_publication_new(&asked->key, &numbered, kept);
	if (!kept->original) {
		free(kept);
		return NULL;
	}
	kept->asked = asked;
	kept->at_ms = now_ms;
	kept->number = ++w->last_number;
	kept->lane = hash % LANES;
	kept->in_window = true;
	DL_APPEND(w->all, kept);
	DL_APPEND2(w->lanes[kept->lane], kept, lane_prev, lane_next);
	w->n++;
	w->bytes += size_of(kept);
	w->unanswered++;
	return kept;
}

static void make_waiting(struct kept *kept, enum side side, enum bus_reach reach)
{
	struct copy *copy = &kept->on[side];

	GRID_ASSERT(kept->in_window && copy->stage != COPY_WAITING && copy->stage != COPY_SENT);
	copy->stage = COPY_WAITING;
	copy->reach = (uint8_t)reach;
}

void window_queue(struct window *w, struct kept *kept, enum side side, enum bus_reach reach)
{
	make_waiting(kept, side, reach);
	DL_APPEND2(w->waiting[side], kept, on[side].prev, on[side].next);
}

void window_queue_in_order(struct window *w, struct kept *kept, enum side side, enum bus_reach reach)
{
	struct kept *later = w->waiting[side]; /* what is queued once more is among the oldest */

	while (later && later->number < kept->number)
		later = later->on[side].next;
	make_waiting(kept, side, reach);
	DL_PREPEND_ELEM2(w->waiting[side], later, kept, on[side].prev, on[side].next);
}

void window_unqueue_all(struct window *w, enum side side)
{
	while (w->waiting[side])
		window_unqueue(w, w->waiting[side], side);
}

void window_sort(struct window *w, enum side side)
{
	struct kept *kept;

	w->waiting[side] = NULL;
	DL_FOREACH(w->all, kept)
		if (kept->on[side].stage == COPY_WAITING)
			DL_APPEND2(w->waiting[side], kept, on[side].prev, on[side].next);
}

/* The head alone: text and body stay in the original, which outlives all its copies. */
struct bus_publication *kept_copy(struct kept *kept, enum bus_reach reach)
{
	struct bus_publication *copy = malloc(sizeof(*copy));

	if (copy)
		*copy = (struct bus_publication){
		    .key = kept->original->key, .message = kept->original->message, .reach = (uint8_t)reach, .token = kept};
	return copy;
}

void window_sent(struct window *w, struct kept *kept, enum side side, enum bus_reach reach, uint64_t now_ms)
{
	window_unqueue(w, kept, side);
	kept->on[side].stage = COPY_SENT;
	kept->on[side].reach = (uint8_t)reach;
	kept->on[side].again = false;
	kept->on[side].sent_ms = now_ms;
	DL_APPEND2(w->sent[side], kept, on[side].prev, on[side].next);
}

void window_outcome(struct window *w, struct kept *kept, enum side side, enum bus_publish_result result)
{
	static const enum copy_stage stages[] = {
	    [BUS_CONFIRMED] = COPY_CONFIRMED, [BUS_UNROUTED] = COPY_UNROUTED, [BUS_FAILED] = COPY_FAILED};

	GRID_ASSERT(kept->on[side].stage == COPY_SENT);
	DL_DELETE2(w->sent[side], kept, on[side].prev, on[side].next);
	kept->on[side].stage = (uint8_t)stages[result];
	kept->on[side].confirmed |= result == BUS_CONFIRMED;
	release(kept);
}

void window_deinit(struct window *w)
{
	struct kept *kept, *next;

	for (int side = 0; side < SIDES; side++)
		while (w->sent[side])
			window_outcome(w, w->sent[side], (enum side)side, BUS_FAILED);
	DL_FOREACH_SAFE(w->all, kept, next) {
		kept->asked = bus_publication_free(kept->asked);
		fall_out(w, kept);
	}
}

struct bus_publication *window_answer(struct window *w, struct kept *kept, bool forget)
{
	struct bus_publication *asked = kept->asked;

	GRID_ASSERT(asked && kept->in_window);
	DL_DELETE2(w->lanes[kept->lane], kept, lane_prev, lane_next);
	w->unanswered--;
	kept->asked = NULL;
	if (forget)
		fall_out(w, kept);
	return asked;
}

void window_prune(struct window *w, uint64_t now_ms)
{
	struct kept *kept, *next;

	DL_FOREACH_SAFE(w->all, kept, next) {
		bool old = kept->at_ms + w->limits.keep_ms <= now_ms, crowded = w->bytes > w->limits.bytes;
		if (!old && !crowded)
			return;
		if (kept->asked || (is_waiting(kept) && !crowded))
			continue;
		w->crowded_out += !old || is_waiting(kept);
		fall_out(w, kept);
	}
}

uint64_t window_oldest_ms(const struct window *w, enum side side)
{
	return w->sent[side] ? w->sent[side]->on[side].sent_ms : UINT64_MAX;
}
