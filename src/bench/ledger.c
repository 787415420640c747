#include "bench/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/ledger_impl.h"

#define FIRST_CAP 16

const char *const finding_names[FINDING_COUNT] = {
    [FINDING_LOST] = "lost",
    [FINDING_DOUBLED] = "doubled",
    [FINDING_DISORDERED] = "disordered",
    [FINDING_MISROUTED] = "misrouted",
};

/* --- making and freeing ------------------------------------------------------------------------------------------- */

struct ledger *ledger_new(const struct ledger_config *config)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	if (!ledger)
		return NULL;
	ledger->config = *config;
	ledger->targets = calloc(config->targets, sizeof(*ledger->targets));
	ledger->examples = calloc(config->examples * FINDING_COUNT + 1, sizeof(*ledger->examples));
	if (!ledger->targets || !ledger->examples)
		return ledger_free(ledger);
	return ledger;
}

static void free_subscription(const struct ledger *ledger, struct subscription *subscription)
{
	for (uint32_t p = 0; subscription->seen && p < ledger->config.publishers; p++)
		seen_deinit(&subscription->seen[p]);
	free(subscription->seen);
	free(subscription);
}

static void deinit_target(const struct ledger *ledger, struct target *target)
{
	for (struct subscription *next, *s = target->subscriptions; s; s = next) {
		next = s->next;
		free_subscription(ledger, s);
	}
	for (uint32_t p = 0; target->streams && p < ledger->config.publishers; p++) {
		if (target->streams[p])
			free(target->streams[p]->messages);
		free(target->streams[p]);
	}
	free(target->streams);
	free(target->published_us);
}

struct ledger *ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return NULL;
	for (uint32_t i = 0; ledger->targets && i < ledger->config.targets; i++)
		deinit_target(ledger, &ledger->targets[i]);
	free(ledger->targets);
	free(ledger->examples);
	free(ledger->sums);
	free(ledger);
	return NULL;
}

void ledger_example_add(struct ledger *ledger, enum finding finding, const struct message_id *id, const char *session)
{
	if (ledger->examples_of[finding] == ledger->config.examples)
		return;
	struct ledger_example *example = &ledger->examples[ledger->n_examples++];
	ledger->examples_of[finding]++;
	example->finding = finding;
	example->id = *id;
	snprintf(example->session, sizeof(example->session), "%s", session);
}

const struct tally *ledger_counted(const struct ledger *ledger)
{
	return &ledger->counted;
}

const struct ledger_example *ledger_examples(const struct ledger *ledger, size_t *np)
{
	*np = ledger->n_examples;
	return ledger->examples;
}

/* --- publishing --------------------------------------------------------------------------------------------------- */

/* The array grown for one more item, or NULL; then the old one is as it was. */
static void *grown(void *items, uint32_t n, uint32_t *capp, size_t size)
{
	if (n < *capp)
		return items;
	uint32_t cap = *capp ? *capp * 2 : FIRST_CAP;
	void *more = realloc(items, cap * size);
	if (more)
		*capp = cap;
	return more;
}

static struct stream *stream_for(struct ledger *ledger, const struct message_id *id)
{
	struct target *target = &ledger->targets[id->target];

	if (!target->streams)
		target->streams = calloc(ledger->config.publishers, sizeof(struct stream *));
	if (!target->streams)
		return NULL;
	if (!target->streams[id->publisher])
		target->streams[id->publisher] = calloc(1, sizeof(struct stream));
	return target->streams[id->publisher];
}

void ledger_due(struct ledger *ledger, uint64_t now_us)
{
	if (!ledger->due_since_us)
		ledger->due_since_us = now_us;
}

int ledger_publish(struct ledger *ledger, struct message_id *id, uint64_t now_us)
{
	GRID_ASSERT(id->publisher < ledger->config.publishers && id->target < ledger->config.targets);
	struct target *target = &ledger->targets[id->target];
	struct stream *stream = stream_for(ledger, id);
	if (!stream)
		return -ENOMEM;
	struct message *messages = grown(stream->messages, stream->n, &stream->cap, sizeof(*messages));
	if (!messages)
		return -ENOMEM;
	stream->messages = messages;
	uint64_t *published = grown(target->published_us, target->n, &target->cap, sizeof(*published));
	if (!published)
		return -ENOMEM;
	target->published_us = published;
	messages[stream->n] = (struct message){.place = target->n};
	published[target->n++] = now_us;
	id->number = stream->n++;
	ledger->counted.publishes.attempted++;
	ledger->counted.publishes.pending++;
	return 0;
}

/* The message, or NULL when none like this was ever published. */
static struct message *message_of(struct ledger *ledger, const struct message_id *id)
{
	if (id->publisher >= ledger->config.publishers || id->target >= ledger->config.targets)
		return NULL;
	const struct target *target = &ledger->targets[id->target];
	struct stream *stream = target->streams ? target->streams[id->publisher] : NULL;
	return stream && id->number < stream->n ? &stream->messages[id->number] : NULL;
}

/* The one place where a message's state changes. */
static struct message *settle(struct ledger *ledger, const struct message_id *id, enum message_state state)
{
	struct message *message = message_of(ledger, id);

	GRID_ASSERT(message && message->state == MESSAGE_PENDING && state != MESSAGE_PENDING);
	message->state = (uint8_t)state;
	ledger->counted.publishes.pending--;
	return message;
}

/* Backends' threads look at the clock themselves, so that what they tell may be a little older than what is known. */
static void lengthen(uint64_t *longest_usp, uint64_t since_us, uint64_t now_us)
{
	if (now_us > since_us + *longest_usp)
		*longest_usp = now_us - since_us;
}

static void end_ack_gap(struct ledger *ledger, uint64_t now_us)
{
	if (ledger->due_since_us)
		lengthen(&ledger->counted.longest_ack_gap_us, ledger->due_since_us, now_us);
	ledger->due_since_us = 0;
}

void ledger_acknowledged(struct ledger *ledger, const struct message_id *id, uint64_t now_us)
{
	settle(ledger, id, MESSAGE_ACKNOWLEDGED)->acknowledged_us = now_us;
	ledger->counted.publishes.acknowledged++;
	if (id->target < ledger->config.rooms)
		ledger->counted.rooms.acknowledged++;
	else
		ledger->counted.users.acknowledged++;
	end_ack_gap(ledger, now_us);
}

void ledger_refused(struct ledger *ledger, const struct message_id *id)
{
	settle(ledger, id, MESSAGE_REFUSED);
	ledger->counted.publishes.refused++;
}

void ledger_unknown(struct ledger *ledger, const struct message_id *id)
{
	settle(ledger, id, MESSAGE_UNKNOWN);
	ledger->counted.publishes.unknown++;
}

void ledger_stopped(struct ledger *ledger, uint64_t now_us)
{
	end_ack_gap(ledger, now_us);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

struct subscription *ledger_subscribe(struct ledger *ledger, uint32_t target, const char *session, uint64_t now_us)
{
	struct target *t = &ledger->targets[target];
	struct subscription *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->target = target;
	s->began = s->heard = t->n;
	s->began_us = now_us;
	snprintf(s->session, sizeof(s->session), "%s", session);
	s->next = t->subscriptions;
	t->subscriptions = s;
	return s;
}

void ledger_unsubscribe(struct ledger *ledger, struct subscription *subscription, uint64_t now_us)
{
	GRID_ASSERT(!subscription->ended_us);
	subscription->ended = ledger->targets[subscription->target].n;
	subscription->ended_us = now_us;
}

void ledger_misrouted(struct ledger *ledger, const struct message_id *id, const char *session)
{
	ledger->counted.misrouted++;
	ledger_example_add(ledger, FINDING_MISROUTED, id, session);
}

/* How long it had been silent while something was published to it. */
static void end_gap(struct ledger *ledger, struct subscription *subscription, uint64_t now_us)
{
	const struct target *target = &ledger->targets[subscription->target];

	if (subscription->heard < target->n)
		lengthen(&ledger->counted.longest_gap_us, target->published_us[subscription->heard], now_us);
	subscription->heard = target->n;
}

static int see(struct ledger *ledger, struct subscription *subscription, const struct message_id *id)
{
	bool room = id->target < ledger->config.rooms;
	uint64_t *doubledp = room ? &ledger->counted.rooms.doubled : &ledger->counted.users.doubled;
	uint64_t *disorderedp = room ? &ledger->counted.rooms.disordered : &ledger->counted.users.disordered;

	if (!subscription->seen)
		subscription->seen = calloc(ledger->config.publishers, sizeof(*subscription->seen));
	if (!subscription->seen)
		return -ENOMEM;
	struct seen *seen = &subscription->seen[id->publisher];
	bool disordered = seen_beyond(seen, id->number);
	int r = seen_add(seen, id->number);
	if (r == SEEN_E_AGAIN) {
		++*doubledp;
		ledger_example_add(ledger, FINDING_DOUBLED, id, subscription->session);
	} else if (r == 0 && disordered) {
		++*disorderedp;
		ledger_example_add(ledger, FINDING_DISORDERED, id, subscription->session);
	}
	return r;
}

int ledger_received(struct ledger *ledger, struct subscription *subscription, const struct message_id *id,
                    uint64_t now_us)
{
	struct message *message = message_of(ledger, id);

	if (!message || id->target != subscription->target) {
		ledger_misrouted(ledger, id, subscription->session);
		return 0;
	}
	int r = see(ledger, subscription, id);
	if (r < 0)
		return r;
	end_gap(ledger, subscription, now_us);
	if (r == SEEN_E_AGAIN || id->target < ledger->config.rooms)
		return 0;
	if (!message->first_us)
		message->first_us = now_us;
	else if (message->first_us < subscription->began_us)
		ledger->counted.users.repeated++;
	return 0;
}

void ledger_offline(struct ledger *ledger, const struct message_id *id, bool redelivered)
{
	struct message *message = message_of(ledger, id);

	if (!message || id->target < ledger->config.rooms) {
		ledger_misrouted(ledger, id, "");
		return;
	}
	if (message->offline && !redelivered)
		ledger->counted.users.repeated++;
	message->offline = true;
}
