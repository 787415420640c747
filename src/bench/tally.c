/* The ledger's sums. A room's subscriptions are compared with its streams range by range: what is in no range of the
 * numbers seen and was acknowledged is lost or excused. */
#include "bench/ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "bench/ledger_impl.h"

/* One stream and one subscription being compared. */
struct comparison {
	struct ledger *ledger;
	const struct stream *stream;
	const uint32_t *sums; /* sums[i]: how many of the first i messages are acknowledged */
	const struct subscription *subscription;
	uint32_t publisher;
	struct tally_rooms *out;
	bool examples; /* keep them, instead of counting */
};

/* The number of the first message at this place or behind it. */
static uint32_t number_at(const struct stream *stream, uint32_t place)
{
	uint32_t low = 0, high = stream->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (stream->messages[middle].place < place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Ended before it was due: nobody can say whether it would have come. */
static bool excused(const struct comparison *c, const struct message *message)
{
	uint64_t ended_us = c->subscription->ended_us;
	return ended_us && ended_us < message->acknowledged_us + c->ledger->config.grace_us;
}

static void count_missing(const struct comparison *c, uint32_t from, uint32_t to)
{
	if (from >= to || c->sums[to] == c->sums[from])
		return;
	for (uint32_t i = from; i < to; i++) {
		const struct message *message = &c->stream->messages[i];
		if (message->state != MESSAGE_ACKNOWLEDGED)
			continue;
		if (excused(c, message)) {
			c->out->excused++;
			continue;
		}
		c->out->lost++;
		if (c->examples) {
			const struct message_id id = {c->publisher, c->subscription->target, i};
			ledger_example_add(c->ledger, FINDING_LOST, &id, c->subscription->session);
		}
	}
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static void compare(const struct comparison *c)
{
	const struct subscription *s = c->subscription;
	static const struct seen nothing = {0};
	const struct seen *seen = s->seen ? &s->seen[c->publisher] : &nothing;
	uint32_t from = number_at(c->stream, s->began);
	uint32_t to = s->ended_us ? number_at(c->stream, s->ended) : c->stream->n;
	uint32_t at = from;

	for (uint32_t i = 0; i < seen->n; i++) {
		struct seen_range range = seen_ranges(seen)[i];
		uint32_t begin = larger(range.from, from), end = larger(range.to, from);
		uint32_t acknowledged = c->sums[end] - c->sums[begin];
		count_missing(c, at, begin);
		c->out->early += range.to - range.from - (end - begin);
		c->out->delivered += acknowledged;
		c->out->unacknowledged_delivered += end - begin - acknowledged;
		at = end;
	}
	count_missing(c, at, to);
	c->out->expected += c->sums[to] - c->sums[from];
}

static int sum_up(struct ledger *ledger, const struct stream *stream)
{
	if (ledger->sums_cap < (size_t)stream->n + 1) {
		size_t cap = ((size_t)stream->n + 1) * 2;
		uint32_t *sums = realloc(ledger->sums, cap * sizeof(*sums));
		if (!sums)
			return -ENOMEM;
		ledger->sums = sums;
		ledger->sums_cap = cap;
	}
	ledger->sums[0] = 0;
	for (uint32_t i = 0; i < stream->n; i++)
		ledger->sums[i + 1] = ledger->sums[i] + (stream->messages[i].state == MESSAGE_ACKNOWLEDGED);
	return 0;
}

static int tally_room(struct ledger *ledger, const struct target *target, struct tally_rooms *out, bool examples)
{
	for (uint32_t p = 0; target->streams && p < ledger->config.publishers; p++) {
		if (!target->streams[p])
			continue;
		int r = sum_up(ledger, target->streams[p]);
		if (r != 0)
			return r;
		struct comparison c = {ledger, target->streams[p], ledger->sums, NULL, p, out, examples};
		for (c.subscription = target->subscriptions; c.subscription; c.subscription = c.subscription->next)
			compare(&c);
	}
	return 0;
}

static void tally_notification(const struct message *message, struct tally_users *out)
{
	bool delivered = message->first_us;

	if (message->state != MESSAGE_ACKNOWLEDGED) {
		out->unacknowledged_delivered += delivered || message->offline;
		return;
	}
	out->delivered += delivered;
	out->offline += message->offline;
	out->both += delivered && message->offline;
	out->lost += !delivered && !message->offline;
}

static void tally_user(struct ledger *ledger, const struct target *target, struct tally_users *out, bool examples)
{
	for (uint32_t p = 0; target->streams && p < ledger->config.publishers; p++) {
		const struct stream *stream = target->streams[p];
		for (uint32_t i = 0; stream && i < stream->n; i++) {
			uint64_t lost = out->lost;
			const struct message_id id = {p, (uint32_t)(target - ledger->targets), i};
			tally_notification(&stream->messages[i], out);
			if (examples && out->lost > lost)
				ledger_example_add(ledger, FINDING_LOST, &id, "");
		}
	}
}

/* A session that has been silent to this moment: up to the last message it could have got. */
static uint64_t open_gap(const struct target *target)
{
	uint64_t longest = 0;

	for (const struct subscription *s = target->subscriptions; s; s = s->next) {
		if (s->ended_us || s->heard >= target->n)
			continue;
		uint64_t gap = target->published_us[target->n - 1] - target->published_us[s->heard];
		longest = gap > longest ? gap : longest;
	}
	return longest;
}

static int tally(struct ledger *ledger, struct tally *out, bool examples)
{
	*out = ledger->counted;
	for (uint32_t i = 0; i < ledger->config.targets; i++) {
		const struct target *target = &ledger->targets[i];
		uint64_t gap = open_gap(target);
		if (gap > out->longest_gap_us)
			out->longest_gap_us = gap;
		if (i >= ledger->config.rooms) {
			tally_user(ledger, target, &out->users, examples);
			continue;
		}
		int r = tally_room(ledger, target, &out->rooms, examples);
		if (r != 0)
			return r;
	}
	return 0;
}

int ledger_tally(struct ledger *ledger, struct tally *out)
{
	return tally(ledger, out, false);
}

int ledger_find_lost(struct ledger *ledger)
{
	struct tally ignored;
	return tally(ledger, &ignored, true);
}
