/* The topic registry: every state and event, lingers, the order of moves, and a long random walk against a plain model
 * of the bus. */
#include "core/topics.h"

#include <stdio.h>

#include "check_main.h"

static struct metric_registry registry;
static struct topics topics;
static struct subscription *subs; /* the list of the one session in these tests */
static struct session *const somebody = (struct session *)&registry;

static void setup(void)
{
	registry = (struct metric_registry){0};
	subs = NULL;
	topics_init(&topics, (const uint64_t[LINGER_COUNT]){2000, 30000, 60000}, &registry);
}

static struct key room(const char *name)
{
	struct key key;
	ck_assert_int_eq(key_from_name(KEY_ROOM, str_from(name), &key), 0);
	return key;
}

static struct subscription *subscribe_key(struct key key)
{
	struct subscription *sub;
	ck_assert_int_eq(topics_subscribe(&topics, &key, somebody, &subs, &sub), 0);
	return sub;
}

static struct subscription *subscribe(const char *name)
{
	return subscribe_key(room(name));
}

static void unsubscribe(struct subscription *sub, uint64_t now)
{
	topics_unsubscribe(&topics, sub, &subs, now);
}

/* Takes the next move, which must be `op` of `name`, as the bus would. */
static struct topic *expect_move(enum topic_op expected, const char *key)
{
	enum topic_op op = TOPIC_OP_NONE;
	struct topic *topic = topics_next_move(&topics, true, &op);
	ck_assert_ptr_nonnull(topic);
	ck_assert_str_eq(topic->key.text, key);
	ck_assert_int_eq(op, expected);
	topics_moved(&topics, topic, op);
	return topic;
}

static void expect_no_move(void)
{
	enum topic_op op;
	ck_assert_ptr_null(topics_next_move(&topics, true, &op));
}

static struct topic *bound_topic(const char *name, struct subscription **subp)
{
	*subp = subscribe(name);
	struct topic *topic = (*subp)->topic;
	expect_move(TOPIC_OP_BIND, topic->key.text);
	ck_assert_int_eq(topics_answered(&topics, topic, TOPIC_ANSWER_OK), TOPIC_BOUND);
	subscription_admit(*subp);
	return topic;
}

START_TEST(next_operation_is_a_function_of_wanted_and_has)
{
	static const enum topic_op wanted[] = {TOPIC_OP_BIND, TOPIC_OP_NONE, TOPIC_OP_NONE, TOPIC_OP_NONE, TOPIC_OP_BIND};
	static const enum topic_op unwanted[] = {TOPIC_OP_FORGET, TOPIC_OP_NONE, TOPIC_OP_UNBIND, TOPIC_OP_NONE,
	                                         TOPIC_OP_UNBIND};
	for (int has = TOPIC_NO; has <= TOPIC_UNKNOWN; has++) {
		ck_assert_int_eq(topic_next_op(true, (enum topic_has)has), wanted[has]);
		ck_assert_int_eq(topic_next_op(false, (enum topic_has)has), unwanted[has]);
	}
}
END_TEST

START_TEST(first_join_binds_and_the_second_waits_for_the_same_answer)
{
	setup();
	struct subscription *a = subscribe("x"), *b = subscribe("x");
	struct topic *topic = expect_move(TOPIC_OP_BIND, "room.x");
	struct subscription *c = subscribe("x");
	expect_no_move();
	ck_assert(a->waiting && b->waiting && c->waiting);
	ck_assert_int_eq(topics_answered(&topics, topic, TOPIC_ANSWER_OK), TOPIC_BOUND);
	while (topic->waiting)
		subscription_admit(topic->waiting);
	struct subscription *d = subscribe("x");
	ck_assert(!d->waiting);
	expect_no_move();
	while (subs)
		unsubscribe(subs, 0);
	topics_deinit(&topics);
}
END_TEST

START_TEST(last_leave_lingers_and_then_unbinds)
{
	struct subscription *sub;
	setup();
	struct topic *topic = bound_topic("x", &sub);
	unsubscribe(sub, 1000);
	topics_tick(&topics, 30999);
	expect_no_move();
	topics_tick(&topics, 31000);
	ck_assert_ptr_eq(expect_move(TOPIC_OP_UNBIND, "room.x"), topic);
	ck_assert_int_eq(topics_answered(&topics, topic, TOPIC_ANSWER_OK), TOPIC_NOTHING_NEW);
	struct key key = room("x");
	ck_assert_ptr_null(topics_find(&topics, &key));
	topics_deinit(&topics);
}
END_TEST

START_TEST(coming_back_during_the_linger_costs_nothing)
{
	struct subscription *sub;
	setup();
	bound_topic("x", &sub);
	unsubscribe(sub, 0);
	sub = subscribe("x");
	ck_assert(!sub->waiting);
	topics_tick(&topics, 100000);
	expect_no_move();
	unsubscribe(sub, 100000);
	topics_deinit(&topics);
}
END_TEST

START_TEST(join_while_removing_binds_after_the_answer)
{
	struct subscription *sub;
	setup();
	struct topic *topic = bound_topic("x", &sub);
	unsubscribe(sub, 0);
	topics_tick(&topics, 30000);
	expect_move(TOPIC_OP_UNBIND, "room.x");
	sub = subscribe("x");
	ck_assert(sub->waiting);
	expect_no_move();
	topics_answered(&topics, topic, TOPIC_ANSWER_OK);
	ck_assert_ptr_eq(expect_move(TOPIC_OP_BIND, "room.x"), topic);
	ck_assert_int_eq(topics_answered(&topics, topic, TOPIC_ANSWER_OK), TOPIC_BOUND);
	unsubscribe(sub, 0);
	topics_deinit(&topics);
}
END_TEST

START_TEST(leave_while_asked_lingers_once_bound)
{
	setup();
	struct subscription *sub = subscribe("x");
	struct topic *topic = expect_move(TOPIC_OP_BIND, "room.x");
	unsubscribe(sub, 0);
	ck_assert_int_eq(topics_answered(&topics, topic, TOPIC_ANSWER_OK), TOPIC_BOUND);
	expect_no_move();
	topics_tick(&topics, 30000);
	expect_move(TOPIC_OP_UNBIND, "room.x");
	topics_answered(&topics, topic, TOPIC_ANSWER_OK);
	topics_deinit(&topics);
}
END_TEST

START_TEST(leave_before_it_was_asked_forgets_it)
{
	setup();
	unsubscribe(subscribe("x"), 0);
	expect_no_move();
	ck_assert_ptr_null(topics.by_key);
	topics_deinit(&topics);
}
END_TEST

START_TEST(a_lost_link_makes_unknown_and_what_is_wanted_is_bound_again)
{
	struct subscription *sub;
	setup();
	struct topic *gone = bound_topic("gone", &sub);
	unsubscribe(sub, 0);
	topics_tick(&topics, 30000);
	expect_move(TOPIC_OP_UNBIND, "room.gone");
	sub = subscribe("here");
	struct topic *here = expect_move(TOPIC_OP_BIND, "room.here");
	topics_answered(&topics, gone, TOPIC_ANSWER_LOST);
	topics_answered(&topics, here, TOPIC_ANSWER_LOST);
	expect_move(TOPIC_OP_BIND, "room.here");
	expect_move(TOPIC_OP_UNBIND, "room.gone");
	topics_answered(&topics, here, TOPIC_ANSWER_OK);
	topics_answered(&topics, gone, TOPIC_ANSWER_OK);
	unsubscribe(sub, 0);
	topics_deinit(&topics);
}
END_TEST

START_TEST(lost_bindings_are_bound_anew_and_lingers_end)
{
	struct subscription *stays, *left;
	setup();
	bound_topic("stays", &stays);
	bound_topic("left", &left);
	unsubscribe(left, 0);
	topics_bindings_lost(&topics);
	expect_move(TOPIC_OP_BIND, "room.stays");
	struct topic *gone = expect_move(TOPIC_OP_UNBIND, "room.left"); /* nobody has said that it is not bound */
	expect_no_move();
	topics_answered(&topics, gone, TOPIC_ANSWER_OK);
	ck_assert_uint_eq(HASH_COUNT(topics.by_key), 1);
	ck_assert(!stays->waiting); /* a member all the while: it was told ok, and ok it will be */
	unsubscribe(stays, 0);
	topics_deinit(&topics);
}
END_TEST

START_TEST(unsure_bindings_are_bound_anew_and_lingers_go_on)
{
	struct subscription *stays, *left;
	setup();
	bound_topic("stays", &stays);
	bound_topic("left", &left);
	unsubscribe(left, 0);
	topics_bindings_unsure(&topics);
	struct topic *here = expect_move(TOPIC_OP_BIND, "room.stays");
	struct topic *lingers = expect_move(TOPIC_OP_BIND, "room.left");
	expect_no_move();
	ck_assert(!stays->waiting);
	topics_answered(&topics, here, TOPIC_ANSWER_OK);
	topics_answered(&topics, lingers, TOPIC_ANSWER_LOST); /* nor does one more lost link end it */
	lingers = expect_move(TOPIC_OP_BIND, "room.left");
	topics_answered(&topics, lingers, TOPIC_ANSWER_OK);
	topics_tick(&topics, 1000000);
	expect_move(TOPIC_OP_UNBIND, "room.left");
	unsubscribe(stays, 0);
	topics_deinit(&topics);
}
END_TEST

/* Most of what is unsure is bound: who reloads a page before it is bound anew finds it as it was. */
START_TEST(the_last_one_leaves_while_it_is_unsure_and_it_lingers)
{
	struct subscription *sub;
	setup();
	struct topic *topic = bound_topic("x", &sub);
	topics_bindings_unsure(&topics);
	unsubscribe(sub, 1000);
	ck_assert_uint_eq(counter_get(&topics.counters.lingering), 1);
	ck_assert_ptr_eq(expect_move(TOPIC_OP_BIND, "room.x"), topic);
	topics_answered(&topics, topic, TOPIC_ANSWER_OK);
	sub = subscribe("x");
	ck_assert(!sub->waiting);
	expect_no_move();
	topics_bindings_unsure(&topics);
	unsubscribe(sub, 2000);
	topics_tick(&topics, 32000); /* over before its turn */
	expect_move(TOPIC_OP_UNBIND, "room.x");
	topics_answered(&topics, topic, TOPIC_ANSWER_OK);
	ck_assert_ptr_null(topics.by_key);
	topics_deinit(&topics);
}
END_TEST

START_TEST(who_asks_does_not_stand_behind_what_is_bound_anew)
{
	struct subscription *sub;
	struct key user;
	setup();
	bound_topic("first", &sub);
	bound_topic("second", &sub);
	bound_topic("third", &sub);
	bound_topic("fourth", &sub);
	topics_bindings_unsure(&topics);
	subscribe("new");
	subscribe("fourth");
	ck_assert_int_eq(key_from_name(KEY_USER, STR("u"), &user), 0);
	subscribe_key(user);
	expect_move(TOPIC_OP_BIND, "room.first"); /* every other turn: the last bind was for one who waited */
	expect_move(TOPIC_OP_BIND, "user.u");
	expect_move(TOPIC_OP_BIND, "room.second");
	expect_move(TOPIC_OP_BIND, "room.new");
	expect_move(TOPIC_OP_BIND, "room.third");
	expect_move(TOPIC_OP_BIND, "room.fourth");
	expect_no_move();
	while (subs)
		unsubscribe(subs, 0);
	topics_deinit(&topics);
}
END_TEST

START_TEST(users_are_bound_anew_before_rooms)
{
	struct subscription *sub;
	struct key user;
	setup();
	bound_topic("x", &sub);
	ck_assert_int_eq(key_from_name(KEY_USER, STR("u"), &user), 0);
	sub = subscribe_key(user);
	topics_answered(&topics, expect_move(TOPIC_OP_BIND, "user.u"), TOPIC_ANSWER_OK);
	subscription_admit(sub);
	topics_bindings_lost(&topics);
	expect_move(TOPIC_OP_BIND, "user.u");
	expect_move(TOPIC_OP_BIND, "room.x");
	while (subs)
		unsubscribe(subs, 0);
	topics_deinit(&topics);
}
END_TEST

START_TEST(refused_twice_is_an_error_and_once_is_not)
{
	setup();
	struct subscription *sub = subscribe("x");
	struct topic *topic = expect_move(TOPIC_OP_BIND, "room.x");
	ck_assert_int_eq(topics_answered(&topics, topic, TOPIC_ANSWER_REFUSED), TOPIC_NOTHING_NEW);
	expect_move(TOPIC_OP_BIND, "room.x");
	ck_assert_int_eq(topics_answered(&topics, topic, TOPIC_ANSWER_REFUSED), TOPIC_REFUSED);
	expect_no_move(); /* held, until told to try again */
	topics_retry_held(&topics);
	expect_move(TOPIC_OP_BIND, "room.x");
	ck_assert_int_eq(topics_answered(&topics, topic, TOPIC_ANSWER_OK), TOPIC_BOUND);
	unsubscribe(sub, 0);
	topics_deinit(&topics);
}
END_TEST

START_TEST(a_refused_unbind_is_given_up_the_second_time)
{
	struct subscription *sub;
	setup();
	struct topic *topic = bound_topic("x", &sub);
	unsubscribe(sub, 0);
	topics_tick(&topics, 30000);
	expect_move(TOPIC_OP_UNBIND, "room.x");
	topics_answered(&topics, topic, TOPIC_ANSWER_REFUSED);
	expect_move(TOPIC_OP_UNBIND, "room.x");
	topics_answered(&topics, topic, TOPIC_ANSWER_REFUSED);
	ck_assert_ptr_null(topics.by_key);
	topics_deinit(&topics);
}
END_TEST

START_TEST(users_go_before_rooms_and_unbinds_last)
{
	struct subscription *sub;
	struct key user;
	enum topic_op op;
	setup();
	bound_topic("old", &sub);
	unsubscribe(sub, 0);
	topics_tick(&topics, 30000);
	ck_assert_ptr_null(topics_next_move(&topics, false, &op)); /* unbinds are paced */
	subscribe("x");
	ck_assert_int_eq(key_from_name(KEY_USER, STR("u"), &user), 0);
	subscribe_key(user);
	expect_move(TOPIC_OP_BIND, "user.u");
	expect_move(TOPIC_OP_BIND, "room.x");
	expect_move(TOPIC_OP_UNBIND, "room.old");
	while (subs)
		unsubscribe(subs, 0);
	topics_deinit(&topics);
}
END_TEST

START_TEST(binds_do_not_leave_unbinds_behind_for_ever)
{
	enum { BEHIND = TOPICS_UNBINDS_BEHIND + 2 };
	struct subscription *left[BEHIND], *joined[3];
	enum topic_op op;
	char name[24];

	setup();
	for (int i = 0; i < BEHIND; i++) {
		snprintf(name, sizeof(name), "left%d", i);
		bound_topic(name, &left[i]);
	}
	for (int i = 0; i < BEHIND; i++)
		unsubscribe(left[i], 0);
	topics_tick(&topics, 30000);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "joined%d", i);
		joined[i] = subscribe(name);
	}
	expect_move(TOPIC_OP_UNBIND, "room.left0"); /* the last move was a bind */
	expect_move(TOPIC_OP_BIND, "room.joined0");
	struct topic *topic = topics_next_move(&topics, false, &op); /* out of their pace */
	ck_assert_str_eq(topic->key.text, "room.left1");
	topics_moved(&topics, topic, op);
	expect_move(TOPIC_OP_BIND, "room.joined1"); /* a thousand are not far behind */
	expect_move(TOPIC_OP_BIND, "room.joined2");
	ck_assert_ptr_null(topics_next_move(&topics, false, &op));
	for (int i = 0; i < 3; i++) {
		topics_answered(&topics, joined[i]->topic, TOPIC_ANSWER_OK);
		unsubscribe(joined[i], 30000);
	}
	topics_deinit(&topics);
}
END_TEST

START_TEST(waiters_are_answered_in_order)
{
	setup();
	struct subscription *sub = subscribe("x");
	ck_assert_int_eq(subscription_wait(sub, STR("1")), 0);
	ck_assert_int_eq(subscription_wait(sub, STR("\"b\"")), 0);
	struct waiter *w = subscription_next_waiter(sub);
	ck_assert(str_eq((struct str){w->ref, w->ref_len}, STR("1")));
	free(w);
	unsubscribe(sub, 0); /* frees the other one */
	topics_deinit(&topics);
}
END_TEST

/* --- restored ------------------------------------------------------------------------------------------------------
 */

static void restore(const char *name, uint64_t now)
{
	struct key key = room(name);
	ck_assert_int_eq(topics_restore(&topics, &key, now), 0);
}

START_TEST(a_restored_topic_is_bound_for_whoever_comes)
{
	setup();
	restore("x", 0);
	ck_assert_uint_eq(counter_get(&topics.counters.bound), 1);
	struct subscription *sub = subscribe("x");
	ck_assert(!sub->waiting);
	topics_tick(&topics, 60000);
	expect_no_move();
	unsubscribe(sub, 60000); /* from now on it is a topic like any other */
	topics_tick(&topics, 89999);
	expect_no_move();
	topics_tick(&topics, 90000);
	topics_answered(&topics, expect_move(TOPIC_OP_UNBIND, "room.x"), TOPIC_ANSWER_OK);
	topics_deinit(&topics);
}
END_TEST

START_TEST(a_restored_topic_has_a_linger_of_its_own)
{
	struct subscription *sub;
	setup();
	restore("restored", 0);
	bound_topic("left", &sub);
	unsubscribe(sub, 1000);
	restore("later", 2000);
	topics_tick(&topics, 31000);
	topics_answered(&topics, expect_move(TOPIC_OP_UNBIND, "room.left"), TOPIC_ANSWER_OK);
	expect_no_move();
	topics_tick(&topics, 60000);
	topics_answered(&topics, expect_move(TOPIC_OP_UNBIND, "room.restored"), TOPIC_ANSWER_OK);
	expect_no_move();
	topics_tick(&topics, 62000);
	topics_answered(&topics, expect_move(TOPIC_OP_UNBIND, "room.later"), TOPIC_ANSWER_OK);
	ck_assert_ptr_null(topics.by_key);
	topics_deinit(&topics);
}
END_TEST

START_TEST(a_topic_wanted_already_when_it_is_restored_needs_no_bind)
{
	setup();
	struct subscription *sub = subscribe("x");
	restore("x", 0);
	expect_no_move();
	ck_assert_ptr_eq(sub->topic->waiting, sub); /* the caller's to admit */
	subscription_admit(sub);
	topics_tick(&topics, 60000);
	expect_no_move();
	unsubscribe(sub, 60000);
	topics_deinit(&topics);
}
END_TEST

START_TEST(restored_topics_are_unbound_with_the_bindings)
{
	setup();
	restore("nobody", 0);
	restore("somebody", 0);
	struct subscription *sub = subscribe("somebody");
	topics_bindings_lost(&topics);
	expect_move(TOPIC_OP_BIND, "room.somebody");
	struct topic *gone = expect_move(TOPIC_OP_UNBIND, "room.nobody");
	expect_no_move();
	topics_answered(&topics, gone, TOPIC_ANSWER_OK);
	ck_assert_uint_eq(HASH_COUNT(topics.by_key), 1);
	ck_assert_uint_eq(counter_get(&topics.counters.lingering), 0);
	unsubscribe(sub, 0);
	topics_deinit(&topics);
}
END_TEST

/* --- the walk ------------------------------------------------------------------------------------------------------
 */

#define WALK_ROOMS 5
#define WALK_STEPS 200000

struct model_room {
	struct subscription *subs[3];
	bool bound; /* at the broker */
};

struct pending_op {
	struct key key;
	enum topic_op op;
};

static struct model_room model[WALK_ROOMS];
static struct pending_op pending[WALK_ROOMS * 2];
static size_t n_pending;
static uint64_t walk_now;
static unsigned walk_seed;

static unsigned dice(unsigned sides)
{
	walk_seed = walk_seed * 1103515245u + 12345u;
	return (walk_seed >> 16) % sides;
}

static int room_index(const struct key *key)
{
	return key->text[5] - 'a';
}

static void walk_subscribe(int r, int k)
{
	char name[2] = {(char)('a' + r), 0};
	if (!model[r].subs[k])
		model[r].subs[k] = subscribe(name);
	else {
		unsubscribe(model[r].subs[k], walk_now);
		model[r].subs[k] = NULL;
	}
}

static void walk_send(void)
{
	enum topic_op op;
	struct topic *topic = topics_next_move(&topics, dice(2), &op);
	if (!topic || n_pending == GRID_ARRAY_LEN(pending))
		return;
	for (size_t i = 0; i < n_pending; i++) /* one operation per key at a time */
		ck_assert(!key_eq(&pending[i].key, &topic->key));
	pending[n_pending++] = (struct pending_op){topic->key, op};
	topics_moved(&topics, topic, op);
}

static void walk_answer(enum topic_answer answer)
{
	if (n_pending == 0)
		return;
	struct pending_op done = pending[0];
	memmove(pending, pending + 1, --n_pending * sizeof(pending[0]));
	struct topic *topic = topics_find(&topics, &done.key);
	ck_assert_ptr_nonnull(topic);
	if (answer == TOPIC_ANSWER_OK || (answer == TOPIC_ANSWER_LOST && dice(2)))
		model[room_index(&done.key)].bound = done.op == TOPIC_OP_BIND;
	if (topics_answered(&topics, topic, answer) == TOPIC_BOUND)
		while (topic->waiting)
			subscription_admit(topic->waiting);
}

static void walk_lose_link(void)
{
	while (n_pending)
		walk_answer(TOPIC_ANSWER_LOST);
	if (dice(3) == 0) {
		for (int r = 0; r < WALK_ROOMS; r++)
			model[r].bound = false;
		topics_bindings_lost(&topics);
	} else if (dice(2)) {
		topics_bindings_unsure(&topics);
	}
}

static void walk_step(void)
{
	walk_now += dice(3000);
	switch (dice(8)) {
	case 0:
	case 1:
		walk_subscribe((int)dice(WALK_ROOMS), (int)dice(3));
		break;
	case 2:
	case 3:
		walk_send();
		break;
	case 4:
	case 5:
		walk_answer(dice(20) ? TOPIC_ANSWER_OK : TOPIC_ANSWER_REFUSED);
		break;
	case 6:
		if (dice(20) == 0)
			walk_lose_link();
		break;
	default:
		topics_tick(&topics, walk_now);
		topics_retry_held(&topics);
	}
}

/* Lets everything come to rest, without refusals. */
static void walk_settle(void)
{
	enum topic_op op;
	struct topic *topic;
	walk_now += 100000;
	topics_tick(&topics, walk_now);
	topics_retry_held(&topics);
	while (n_pending || topics_next_move(&topics, true, &op)) {
		if ((topic = topics_next_move(&topics, true, &op))) {
			pending[n_pending++] = (struct pending_op){topic->key, op};
			topics_moved(&topics, topic, op);
		}
		walk_answer(TOPIC_ANSWER_OK);
	}
}

START_TEST(whatever_happens_it_comes_to_rest_with_just_what_is_wanted_bound)
{
	setup();
	walk_seed = (unsigned)_i + 1;
	walk_now = 1000;
	n_pending = 0;
	memset(model, 0, sizeof(model));
	for (int step = 0; step < WALK_STEPS; step++) {
		walk_step();
		if (step % 1000 != 999)
			continue;
		walk_settle();
		for (int r = 0; r < WALK_ROOMS; r++) {
			bool wanted = model[r].subs[0] || model[r].subs[1] || model[r].subs[2];
			/* A refused unbind that was given up may leave a binding behind; nothing may ever be missing. */
			if (wanted)
				ck_assert(model[r].bound);
			for (int k = 0; k < 3; k++)
				ck_assert(!model[r].subs[k] || !model[r].subs[k]->waiting);
		}
	}
	while (subs)
		unsubscribe(subs, walk_now);
	walk_settle();
	ck_assert_ptr_null(topics.by_key);
	topics_deinit(&topics);
}
END_TEST

CHECK_MAIN("core.topics", next_operation_is_a_function_of_wanted_and_has,
           first_join_binds_and_the_second_waits_for_the_same_answer, last_leave_lingers_and_then_unbinds,
           coming_back_during_the_linger_costs_nothing, join_while_removing_binds_after_the_answer,
           leave_while_asked_lingers_once_bound, leave_before_it_was_asked_forgets_it,
           a_lost_link_makes_unknown_and_what_is_wanted_is_bound_again, lost_bindings_are_bound_anew_and_lingers_end,
           unsure_bindings_are_bound_anew_and_lingers_go_on, the_last_one_leaves_while_it_is_unsure_and_it_lingers,
           who_asks_does_not_stand_behind_what_is_bound_anew, users_are_bound_anew_before_rooms,
           refused_twice_is_an_error_and_once_is_not, a_refused_unbind_is_given_up_the_second_time,
           users_go_before_rooms_and_unbinds_last, binds_do_not_leave_unbinds_behind_for_ever,
           waiters_are_answered_in_order, a_restored_topic_is_bound_for_whoever_comes,
           a_restored_topic_has_a_linger_of_its_own, a_topic_wanted_already_when_it_is_restored_needs_no_bind,
           restored_topics_are_unbound_with_the_bindings,
           whatever_happens_it_comes_to_rest_with_just_what_is_wanted_bound)
