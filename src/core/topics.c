#include "core/topics.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/log.h"

#define REFUSALS_MAX 2

static const struct metric_row rows[] = {
    METRIC_GAUGE_ROW(struct topics_counters, topics, "grid_topics", NULL,
                     "Keys known here: bound, wanted or lingering"),
    METRIC_GAUGE_ROW(struct topics_counters, bound, "grid_topics_bound", NULL, "Keys the bus has bound to this node"),
    METRIC_GAUGE_ROW(struct topics_counters, moves, "grid_topics_waiting", NULL, "Keys waiting to be bound or unbound"),
    METRIC_GAUGE_ROW(struct topics_counters, lingering, "grid_topics_lingering", NULL,
                     "Keys bound a while longer after the last subscriber left"),
    METRIC_GAUGE_ROW(struct topics_counters, subscriptions, "grid_subscriptions", NULL,
                     "Rooms joined, and own keys, of all sessions"),
};

static const char *const has_names[] = {"no", "asked", "yes", "removing", "unknown"};

enum topic_op topic_next_op(bool wanted, enum topic_has has)
{
	switch (has) {
	case TOPIC_NO:
		return wanted ? TOPIC_OP_BIND : TOPIC_OP_FORGET;
	case TOPIC_UNKNOWN:
		return wanted ? TOPIC_OP_BIND : TOPIC_OP_UNBIND;
	case TOPIC_YES:
		return wanted ? TOPIC_OP_NONE : TOPIC_OP_UNBIND;
	case TOPIC_ASKED:
	case TOPIC_REMOVING:
		return TOPIC_OP_NONE;
	}
	return TOPIC_OP_NONE;
}

void topics_init(struct topics *t, const uint64_t linger_ms[LINGER_COUNT], struct metric_registry *metrics)
{
	*t = (struct topics){.metrics = metrics};
	memcpy(t->linger_ms, linger_ms, sizeof(t->linger_ms));
	metrics_add(metrics, &t->metric_set, rows, GRID_ARRAY_LEN(rows), &t->counters);
}

void topics_deinit(struct topics *t)
{
	struct topic *topic, *next;

	HASH_ITER(hh, t->by_key, topic, next) {
		GRID_ASSERT(topic->n_subs == 0);
		HASH_DEL(t->by_key, topic);
		free(topic);
	}
	metrics_remove(t->metrics, &t->metric_set);
}

struct topic *topics_find(struct topics *t, const struct key *key)
{
	struct topic *topic;
	HASH_FIND(hh, t->by_key, key->text, key->len, topic);
	return topic;
}

static bool is_wanted(const struct topic *topic)
{
	return topic->n_subs || topic->linger_until;
}

static void leave_queue(struct topics *t, struct topic *topic)
{
	if (topic->queue == QUEUE_NONE)
		return;
	DL_DELETE2(t->queues[topic->queue], topic, move_prev, move_next);
	t->queued[topic->queue]--;
	topic->queue = QUEUE_NONE;
	counter_sub(&t->counters.moves, 1);
}

static void enter_queue(struct topics *t, struct topic *topic, enum topic_queue queue)
{
	if (topic->queue == queue)
		return;
	leave_queue(t, topic);
	DL_APPEND2(t->queues[queue], topic, move_prev, move_next);
	topic->queue = (uint8_t)queue;
	t->queued[queue]++;
	counter_add(&t->counters.moves, 1);
}

static void end_linger(struct topics *t, struct topic *topic)
{
	if (!topic->linger_until)
		return;
	DL_DELETE2(t->lingering[topic->linger], topic, linger_prev, linger_next);
	topic->linger_until = 0;
	counter_sub(&t->counters.lingering, 1);
}

static void start_linger(struct topics *t, struct topic *topic, enum topic_linger linger, uint64_t now_ms)
{
	if (topic->has == TOPIC_NO || topic->has == TOPIC_REMOVING || t->linger_ms[linger] == 0)
		return; /* nothing is bound, for all we know, that would be worth keeping */
	topic->linger = (uint8_t)linger;
	topic->linger_until = now_ms + t->linger_ms[linger];
	DL_APPEND2(t->lingering[linger], topic, linger_prev, linger_next);
	counter_add(&t->counters.lingering, 1);
}

static void set_held(struct topics *t, struct topic *topic, bool held)
{
	if (topic->held != held)
		t->held = held ? t->held + 1 : t->held - 1;
	topic->held = held;
}

static void topic_free(struct topics *t, struct topic *topic)
{
	leave_queue(t, topic);
	end_linger(t, topic);
	HASH_DEL(t->by_key, topic);
	counter_sub(&t->counters.topics, 1);
	free(topic);
}

/* After a lost link thousands are bound anew; who joins or connects meanwhile does not stand behind them. */
static enum topic_queue bind_queue(const struct topic *topic)
{
	bool user = topic->key.kind == KEY_USER;

	if (topic->waiting)
		return user ? QUEUE_BIND_USER : QUEUE_BIND_ROOM;
	return user ? QUEUE_ANEW_USER : QUEUE_ANEW_ROOM;
}

/* Puts the topic where its next operation stands in line. Frees it when nothing is wanted and nothing is bound. */
static void settle_topic(struct topics *t, struct topic *topic)
{
	switch (topic_next_op(is_wanted(topic), (enum topic_has)topic->has)) {
	case TOPIC_OP_NONE:
		leave_queue(t, topic);
		break;
	case TOPIC_OP_BIND:
		if (topic->held)
			leave_queue(t, topic);
		else
			enter_queue(t, topic, bind_queue(topic));
		break;
	case TOPIC_OP_UNBIND:
		enter_queue(t, topic, QUEUE_UNBIND);
		break;
	case TOPIC_OP_FORGET:
		topic_free(t, topic);
		break;
	}
}

/* The one place where what the bus has changes. */
static void set_has(struct topics *t, struct topic *topic, enum topic_has has)
{
	static const bool allowed[][5] = {
	    [TOPIC_NO] = {[TOPIC_NO] = true, [TOPIC_ASKED] = true, [TOPIC_YES] = true},
	    [TOPIC_ASKED] = {[TOPIC_YES] = true, [TOPIC_NO] = true, [TOPIC_UNKNOWN] = true},
	    [TOPIC_YES] = {[TOPIC_REMOVING] = true, [TOPIC_UNKNOWN] = true},
	    [TOPIC_REMOVING] = {[TOPIC_NO] = true, [TOPIC_UNKNOWN] = true},
	    [TOPIC_UNKNOWN] = {[TOPIC_ASKED] = true, [TOPIC_REMOVING] = true, [TOPIC_NO] = true},
	};
	GRID_ASSERT(allowed[topic->has][has]);
	log_debug("topic.state", "key=%s from=%s to=%s", topic->key.text, has_names[topic->has], has_names[has]);
	if (topic->has == TOPIC_YES)
		counter_sub(&t->counters.bound, 1);
	if (has == TOPIC_YES)
		counter_add(&t->counters.bound, 1);
	topic->has = (uint8_t)has;
}

static struct topic *find_or_new(struct topics *t, const struct key *key)
{
	struct topic *topic = topics_find(t, key);
	if (topic)
		return topic;
	topic = calloc(1, sizeof(*topic));
	if (!topic)
		return NULL;
	topic->key = *key;
	topic->queue = QUEUE_NONE;
	HASH_ADD(hh, t->by_key, key.text, key->len, topic);
	if (!topic->hh.tbl) { /* out of memory */
		free(topic);
		return NULL;
	}
	counter_add(&t->counters.topics, 1);
	return topic;
}

int topics_subscribe(struct topics *t, const struct key *key, struct session *session, struct subscription **listp,
                     struct subscription **subp)
{
	struct subscription *sub = calloc(1, sizeof(*sub));
	struct topic *topic = sub ? find_or_new(t, key) : NULL;
	if (!topic) {
		free(sub);
		return -ENOMEM;
	}
	if (members_reserve(&topic->members, topic->n_subs + 1) != 0) {
		free(sub);
		settle_topic(t, topic);
		return -ENOMEM;
	}
	topic->n_subs++;
	sub->topic = topic;
	sub->session = session;
	sub->waiting = topic->has != TOPIC_YES;
	if (sub->waiting)
		DL_APPEND(topic->waiting, sub);
	else
		members_add(&topic->members, sub);
	DL_PREPEND2(*listp, sub, session_prev, session_next);
	counter_add(&t->counters.subscriptions, 1);
	end_linger(t, topic);
	settle_topic(t, topic);
	*subp = sub;
	return 0;
}

void topics_unsubscribe(struct topics *t, struct subscription *sub, struct subscription **listp, uint64_t now_ms)
{
	struct topic *topic = sub->topic;

	for (struct waiter *w; (w = subscription_next_waiter(sub));)
		free(w);
	if (sub->waiting)
		DL_DELETE(topic->waiting, sub);
	else
		members_remove(&topic->members, sub);
	topic->n_subs--;
	DL_DELETE2(*listp, sub, session_prev, session_next);
	free(sub);
	counter_sub(&t->counters.subscriptions, 1);
	members_trim(&topic->members, topic->n_subs);
	if (!is_wanted(topic)) {
		set_held(t, topic, false);
		topic->refused = 0;
		start_linger(t, topic, topic->key.kind == KEY_USER ? LINGER_USER : LINGER_ROOM, now_ms);
		settle_topic(t, topic);
	}
}

int subscription_wait(struct subscription *sub, struct str ref)
{
	if (sub->n_waiters == TOPICS_WAITERS_MAX)
		return TOPICS_E_TOO_MANY;
	struct waiter *w = malloc(sizeof(*w) + ref.n);
	if (!w)
		return -ENOMEM;
	w->next = NULL;
	w->ref_len = ref.n;
	if (ref.n)
		memcpy(w->ref, ref.p, ref.n);
	LL_APPEND(sub->waiters, w);
	sub->n_waiters++;
	return 0;
}

struct waiter *subscription_next_waiter(struct subscription *sub)
{
	struct waiter *w = sub->waiters;
	if (w) {
		sub->waiters = w->next;
		sub->n_waiters--;
	}
	return w;
}

void subscription_admit(struct subscription *sub)
{
	GRID_ASSERT(sub->waiting);
	DL_DELETE(sub->topic->waiting, sub);
	sub->waiting = false;
	members_add(&sub->topic->members, sub);
}

static enum topic_queue whose_turn(const struct topics *t)
{
	if (t->queued[QUEUE_UNBIND] > TOPICS_UNBINDS_BEHIND && t->unbind_owed)
		return QUEUE_UNBIND;
	if (t->anew_owed && (t->queues[QUEUE_ANEW_USER] || t->queues[QUEUE_ANEW_ROOM]))
		return QUEUE_ANEW_USER;
	return QUEUE_BIND_USER;
}

struct topic *topics_next_move(struct topics *t, bool unbinds, enum topic_op *opp)
{
	enum topic_queue first = whose_turn(t);
	bool behind = first == QUEUE_UNBIND;

	for (int queue = (int)first; queue < (unbinds || behind ? QUEUE_COUNT : QUEUE_UNBIND); queue++) {
		if (t->queues[queue]) {
			*opp = queue == QUEUE_UNBIND ? TOPIC_OP_UNBIND : TOPIC_OP_BIND;
			return t->queues[queue];
		}
	}
	return NULL;
}

void topics_moved(struct topics *t, struct topic *topic, enum topic_op op)
{
	if (op == TOPIC_OP_BIND)
		t->anew_owed = topic->queue == QUEUE_BIND_USER || topic->queue == QUEUE_BIND_ROOM;
	leave_queue(t, topic);
	t->unbind_owed = op == TOPIC_OP_BIND;
	set_has(t, topic, op == TOPIC_OP_BIND ? TOPIC_ASKED : TOPIC_REMOVING);
}

static enum topic_outcome bind_answered(struct topics *t, struct topic *topic, enum topic_answer answer)
{
	switch (answer) {
	case TOPIC_ANSWER_OK:
		topic->refused = 0;
		set_has(t, topic, TOPIC_YES);
		return TOPIC_BOUND;
	case TOPIC_ANSWER_LOST:
		set_has(t, topic, TOPIC_UNKNOWN);
		return TOPIC_NOTHING_NEW;
	case TOPIC_ANSWER_REFUSED:
		set_has(t, topic, TOPIC_NO);
		if (++topic->refused < REFUSALS_MAX)
			return TOPIC_NOTHING_NEW;
		topic->refused = 0;
		end_linger(t, topic);
		set_held(t, topic, is_wanted(topic));
		return topic->held ? TOPIC_REFUSED : TOPIC_NOTHING_NEW;
	}
	return TOPIC_NOTHING_NEW;
}

static void unbind_answered(struct topics *t, struct topic *topic, enum topic_answer answer)
{
	if (answer == TOPIC_ANSWER_LOST || (answer == TOPIC_ANSWER_REFUSED && ++topic->refused < REFUSALS_MAX)) {
		set_has(t, topic, TOPIC_UNKNOWN);
		return;
	}
	if (answer == TOPIC_ANSWER_REFUSED)
		log_warn("topic.unbind_refused", "key=%s it may stay bound until the node starts again", topic->key.text);
	topic->refused = 0;
	set_has(t, topic, TOPIC_NO);
}

enum topic_outcome topics_answered(struct topics *t, struct topic *topic, enum topic_answer answer)
{
	enum topic_outcome outcome = TOPIC_NOTHING_NEW;

	if (topic->has == TOPIC_ASKED)
		outcome = bind_answered(t, topic, answer);
	else if (topic->has == TOPIC_REMOVING)
		unbind_answered(t, topic, answer);
	if (topic->has == TOPIC_NO)
		end_linger(t, topic); /* there is nothing to keep */
	settle_topic(t, topic);
	return outcome;
}

int topics_restore(struct topics *t, const struct key *key, uint64_t now_ms)
{
	struct topic *topic = find_or_new(t, key);

	if (!topic)
		return -ENOMEM;
	GRID_ASSERT(topic->has == TOPIC_NO);
	set_has(t, topic, TOPIC_YES);
	if (!is_wanted(topic))
		start_linger(t, topic, LINGER_RESTORED, now_ms);
	settle_topic(t, topic);
	return 0;
}

static void bind_anew(struct topics *t, bool lingering_too)
{
	struct topic *topic, *next;

	HASH_ITER(hh, t->by_key, topic, next) {
		GRID_ASSERT(topic->has != TOPIC_ASKED && topic->has != TOPIC_REMOVING);
		if (topic->has == TOPIC_YES)
			set_has(t, topic, TOPIC_UNKNOWN);
		if (!lingering_too)
			end_linger(t, topic);
		set_held(t, topic, false);
		settle_topic(t, topic);
	}
}

void topics_bindings_lost(struct topics *t)
{
	bind_anew(t, false);
}

void topics_bindings_unsure(struct topics *t)
{
	bind_anew(t, true);
}

void topics_retry_held(struct topics *t)
{
	struct topic *topic, *next;

	if (t->held == 0)
		return;
	HASH_ITER(hh, t->by_key, topic, next) {
		if (topic->held) {
			set_held(t, topic, false);
			settle_topic(t, topic);
		}
	}
}

void topics_tick(struct topics *t, uint64_t now_ms)
{
	for (int linger = 0; linger < LINGER_COUNT; linger++) {
		struct topic *topic;
		while ((topic = t->lingering[linger]) && topic->linger_until <= now_ms) {
			end_linger(t, topic);
			settle_topic(t, topic);
		}
	}
}
