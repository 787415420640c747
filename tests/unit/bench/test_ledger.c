/* The ledger: what is expected of whom, what is lost, doubled, disordered, excused, and the longest silences. The clock
 * is ours: `now` goes on by hand. */
#include "bench/ledger.h"

#include <stdio.h>

#include "bench/pick.h"
#include "check_main.h"

#define MS 1000u
#define S 1000000u
#define GRACE (5 * S)

enum { ROOM_A, ROOM_B, USER_A, USER_B, TARGETS };
enum { P0, P1, PUBLISHERS };

static struct ledger *ledger;
static struct tally t;
static uint64_t now;

static void begin(void)
{
	const struct ledger_config config = {
	    .publishers = PUBLISHERS, .targets = TARGETS, .rooms = 2, .grace_us = GRACE, .examples = 2};

	now = 10 * S;
	ledger = ledger_new(&config);
	ck_assert_ptr_nonnull(ledger);
}

static void done(void)
{
	ledger = ledger_free(ledger);
}

static struct message_id publish(uint32_t publisher, uint32_t target)
{
	struct message_id id = {publisher, target, 0};

	ledger_due(ledger, now);
	ck_assert_int_eq(ledger_publish(ledger, &id, now), 0);
	return id;
}

static void acknowledge(struct message_id id)
{
	ledger_acknowledged(ledger, &id, now);
}

static struct message_id published(uint32_t publisher, uint32_t target)
{
	struct message_id id = publish(publisher, target);
	acknowledge(id);
	return id;
}

static struct subscription *subscribe(uint32_t target, const char *session)
{
	struct subscription *s = ledger_subscribe(ledger, target, session, now);
	ck_assert_ptr_nonnull(s);
	return s;
}

static void receive(struct subscription *s, struct message_id id)
{
	ck_assert_int_eq(ledger_received(ledger, s, &id, now), 0);
}

static void tally(void)
{
	ck_assert_int_eq(ledger_tally(ledger, &t), 0);
	/* What must always add up. */
	ck_assert_uint_eq(t.publishes.attempted,
	                  t.publishes.acknowledged + t.publishes.refused + t.publishes.unknown + t.publishes.pending);
	ck_assert_uint_eq(t.publishes.acknowledged, t.rooms.acknowledged + t.users.acknowledged);
	ck_assert_uint_eq(t.rooms.expected, t.rooms.delivered + t.rooms.lost + t.rooms.excused);
	ck_assert_uint_eq(t.users.acknowledged, t.users.delivered + t.users.offline - t.users.both + t.users.lost);
}

/* --- rooms -------------------------------------------------------------------------------------------------------- */

START_TEST(all_is_well)
{
	begin();
	struct subscription *s[] = {subscribe(ROOM_A, "s0"), subscribe(ROOM_A, "s1"), subscribe(ROOM_B, "s2")};
	for (int i = 0; i < 100; i++) {
		struct message_id a = published(P0, ROOM_A), b = published(P1, ROOM_B);
		ck_assert_uint_eq(a.number, (uint32_t)i);
		receive(s[0], a);
		receive(s[1], a);
		receive(s[2], b);
	}
	tally();
	ck_assert_uint_eq(t.rooms.acknowledged, 200);
	ck_assert_uint_eq(t.rooms.expected, 300);
	ck_assert_uint_eq(t.rooms.delivered, 300);
	ck_assert_uint_eq(t.rooms.lost + t.rooms.doubled + t.rooms.disordered + t.rooms.excused + t.rooms.early, 0);
	ck_assert_uint_eq(t.misrouted, 0);
	done();
}
END_TEST

START_TEST(only_what_was_published_after_the_join_is_expected)
{
	begin();
	struct message_id before = published(P0, ROOM_A);
	struct subscription *s = subscribe(ROOM_A, "s");
	struct message_id after = published(P0, ROOM_A);
	tally();
	ck_assert_uint_eq(t.rooms.expected, 1);
	ck_assert_uint_eq(t.rooms.lost, 1);
	receive(s, before); /* its join was done, the answer was not here yet */
	receive(s, after);
	tally();
	ck_assert_uint_eq(t.rooms.expected, 1);
	ck_assert_uint_eq(t.rooms.delivered, 1);
	ck_assert_uint_eq(t.rooms.early, 1);
	ck_assert_uint_eq(t.rooms.lost, 0);
	done();
}
END_TEST

START_TEST(a_message_without_an_acknowledgement_is_not_expected)
{
	begin();
	struct subscription *s = subscribe(ROOM_A, "s");
	struct message_id pending = publish(P0, ROOM_A), refused = publish(P0, ROOM_A), unknown = publish(P0, ROOM_A);
	ledger_refused(ledger, &refused);
	ledger_unknown(ledger, &unknown);
	tally();
	ck_assert_uint_eq(t.publishes.pending, 1);
	ck_assert_uint_eq(t.publishes.refused, 1);
	ck_assert_uint_eq(t.publishes.unknown, 1);
	ck_assert_uint_eq(t.rooms.expected, 0);
	receive(s, pending);
	receive(s, unknown);
	tally();
	ck_assert_uint_eq(t.rooms.unacknowledged_delivered, 2);
	ck_assert_uint_eq(t.rooms.delivered, 0);
	acknowledge(pending);
	tally();
	ck_assert_uint_eq(t.rooms.unacknowledged_delivered, 1);
	ck_assert_uint_eq(t.rooms.delivered, 1);
	done();
}
END_TEST

START_TEST(gaps_are_lost_whoever_published)
{
	begin();
	struct subscription *s = subscribe(ROOM_A, "s");
	for (int i = 0; i < 50; i++) {
		struct message_id a = published(P0, ROOM_A), b = published(P1, ROOM_A);
		if (i % 10 != 3)
			receive(s, a);
		if (i < 45)
			receive(s, b);
	}
	tally();
	ck_assert_uint_eq(t.rooms.expected, 100);
	ck_assert_uint_eq(t.rooms.lost, 10);
	ck_assert_uint_eq(t.rooms.disordered, 0);
	done();
}
END_TEST

START_TEST(twice_is_doubled_and_not_disordered)
{
	begin();
	struct subscription *s = subscribe(ROOM_A, "s"), *other = subscribe(ROOM_A, "other");
	struct message_id a = published(P0, ROOM_A), b = published(P0, ROOM_A);
	receive(s, a);
	receive(s, b);
	receive(s, a);
	receive(s, b);
	receive(other, a);
	receive(other, b);
	tally();
	ck_assert_uint_eq(t.rooms.doubled, 2);
	ck_assert_uint_eq(t.rooms.disordered, 0);
	ck_assert_uint_eq(t.rooms.delivered, 4);
	done();
}
END_TEST

START_TEST(order_is_per_publisher_target_and_session)
{
	begin();
	struct subscription *s = subscribe(ROOM_A, "s"), *late = subscribe(ROOM_A, "late");
	struct message_id a0 = published(P0, ROOM_A), b0 = published(P1, ROOM_A), a1 = published(P0, ROOM_A),
	                  b1 = published(P1, ROOM_A), a2 = published(P0, ROOM_A);
	receive(s, b0);
	receive(s, a0);
	receive(s, b1);
	receive(s, a1);
	receive(s, a2); /* two publishers may overtake each other */
	receive(late, a1);
	receive(late, a2);
	receive(late, a0); /* one publisher may not overtake itself */
	receive(late, b0);
	receive(late, b1);
	tally();
	ck_assert_uint_eq(t.rooms.disordered, 1);
	ck_assert_uint_eq(t.rooms.lost, 0);
	done();
}
END_TEST

START_TEST(a_session_that_ended_soon_is_excused)
{
	begin();
	struct subscription *early = subscribe(ROOM_A, "early"), *grown = subscribe(ROOM_A, "grown");
	published(P0, ROOM_A);
	now += GRACE - 1;
	ledger_unsubscribe(ledger, early, now);
	now += 1;
	ledger_unsubscribe(ledger, grown, now);
	now += S;
	published(P0, ROOM_A); /* nobody is there any more */
	tally();
	ck_assert_uint_eq(t.rooms.expected, 2);
	ck_assert_uint_eq(t.rooms.excused, 1);
	ck_assert_uint_eq(t.rooms.lost, 1);
	done();
}
END_TEST

START_TEST(an_acknowledgement_after_the_end_excuses)
{
	begin();
	struct subscription *s = subscribe(ROOM_A, "s");
	struct message_id id = publish(P0, ROOM_A);
	now += 100 * S;
	ledger_unsubscribe(ledger, s, now);
	now += 1;
	acknowledge(id);
	tally();
	ck_assert_uint_eq(t.rooms.expected, 1);
	ck_assert_uint_eq(t.rooms.excused, 1);
	done();
}
END_TEST

START_TEST(a_session_that_lives_to_the_end_has_no_excuse)
{
	begin();
	subscribe(ROOM_A, "s");
	published(P0, ROOM_A);
	tally(); /* at once: no time has passed at all */
	ck_assert_uint_eq(t.rooms.lost, 1);
	done();
}
END_TEST

START_TEST(a_new_session_of_the_same_client_begins_anew)
{
	begin();
	struct subscription *first = subscribe(ROOM_A, "first");
	struct message_id a = published(P0, ROOM_A), b = published(P0, ROOM_A);
	receive(first, b);
	ledger_unsubscribe(ledger, first, now);
	struct message_id between = published(P0, ROOM_A);
	struct subscription *second = subscribe(ROOM_A, "second");
	struct message_id c = published(P0, ROOM_A);
	receive(second, c);
	receive(second, a); /* again, to another session: not doubled there; but behind c */
	tally();
	ck_assert_uint_eq(between.number, 2);
	ck_assert_uint_eq(t.rooms.expected, 3); /* a and b of the first, c of the second */
	ck_assert_uint_eq(t.rooms.delivered, 2);
	ck_assert_uint_eq(t.rooms.excused, 1);
	ck_assert_uint_eq(t.rooms.early, 1);
	ck_assert_uint_eq(t.rooms.disordered, 1);
	ck_assert_uint_eq(t.rooms.doubled, 0);
	done();
}
END_TEST

START_TEST(what_does_not_belong_here_is_misrouted)
{
	begin();
	struct subscription *s = subscribe(ROOM_A, "s");
	struct message_id b = published(P0, ROOM_B), never = {P1, ROOM_A, 7}, nobody = {PUBLISHERS, ROOM_A, 0},
	                  nowhere = {P0, TARGETS, 0};
	receive(s, b);
	receive(s, never);
	receive(s, nobody);
	receive(s, nowhere);
	ledger_misrouted(ledger, &b, "t");
	ledger_offline(ledger, &b, false); /* a room's message is never there */
	tally();
	ck_assert_uint_eq(t.misrouted, 6);
	ck_assert_uint_eq(t.rooms.delivered + t.rooms.lost, 0);
	done();
}
END_TEST

/* --- users -------------------------------------------------------------------------------------------------------- */

START_TEST(a_notification_needs_one_receipt)
{
	begin();
	struct subscription *s[] = {subscribe(USER_A, "s0"), subscribe(USER_A, "s1")};
	struct message_id one = published(P0, USER_A), both = published(P0, USER_A), none = published(P0, USER_A);
	receive(s[0], one);
	receive(s[0], both);
	receive(s[1], both);
	tally();
	ck_assert_uint_eq(none.number, 2);
	ck_assert_uint_eq(t.users.acknowledged, 3);
	ck_assert_uint_eq(t.users.delivered, 2);
	ck_assert_uint_eq(t.users.lost, 1);
	ck_assert_uint_eq(t.users.repeated + t.users.doubled + t.users.disordered, 0);
	done();
}
END_TEST

START_TEST(an_ended_session_does_not_excuse_a_notification)
{
	begin();
	ledger_unsubscribe(ledger, subscribe(USER_A, "s"), now);
	published(P0, USER_A);
	tally();
	ck_assert_uint_eq(t.users.lost, 1);
	done();
}
END_TEST

START_TEST(the_offline_queue_counts)
{
	begin();
	struct subscription *s = subscribe(USER_A, "s");
	struct message_id offline = published(P0, USER_A), both = published(P0, USER_A), unknown = publish(P0, USER_A);
	ledger_unknown(ledger, &unknown);
	receive(s, both);
	ledger_offline(ledger, &offline, false);
	ledger_offline(ledger, &both, false);
	ledger_offline(ledger, &unknown, false);
	tally();
	ck_assert_uint_eq(t.users.delivered, 1);
	ck_assert_uint_eq(t.users.offline, 2);
	ck_assert_uint_eq(t.users.both, 1);
	ck_assert_uint_eq(t.users.lost, 0);
	ck_assert_uint_eq(t.users.unacknowledged_delivered, 1);
	ck_assert_uint_eq(t.users.repeated, 0);
	ledger_offline(ledger, &offline, true); /* the broker says that we may have had it */
	tally();
	ck_assert_uint_eq(t.users.repeated, 0);
	ledger_offline(ledger, &offline, false);
	tally();
	ck_assert_uint_eq(t.users.repeated, 1);
	ck_assert_uint_eq(t.users.offline, 2);
	done();
}
END_TEST

START_TEST(again_at_a_later_session_is_repeated_not_doubled)
{
	begin();
	struct subscription *first = subscribe(USER_A, "first"), *beside = subscribe(USER_A, "beside");
	struct message_id id = published(P0, USER_A);
	receive(first, id);
	now += MS;
	receive(beside, id); /* it was there already: its own copy */
	ledger_unsubscribe(ledger, first, now);
	now += MS;
	struct subscription *later = subscribe(USER_A, "later");
	receive(later, id);
	receive(later, id);
	tally();
	ck_assert_uint_eq(t.users.delivered, 1);
	ck_assert_uint_eq(t.users.repeated, 1);
	ck_assert_uint_eq(t.users.doubled, 1);
	done();
}
END_TEST

START_TEST(kept_for_a_later_session_is_just_delivered)
{
	begin();
	ledger_unsubscribe(ledger, subscribe(USER_A, "first"), now);
	struct message_id id = published(P0, USER_A);
	now += S;
	receive(subscribe(USER_A, "later"), id);
	tally();
	ck_assert_uint_eq(t.users.delivered, 1);
	ck_assert_uint_eq(t.users.repeated, 0);
	done();
}
END_TEST

START_TEST(a_notification_of_another_user_is_misrouted)
{
	begin();
	struct subscription *a = subscribe(USER_A, "a");
	struct message_id b = published(P0, USER_B);
	receive(a, b);
	tally();
	ck_assert_uint_eq(t.misrouted, 1);
	ck_assert_uint_eq(t.users.lost, 1);
	done();
}
END_TEST

/* --- silences ----------------------------------------------------------------------------------------------------- */

START_TEST(silence_counts_while_something_is_published)
{
	begin();
	struct subscription *s = subscribe(ROOM_A, "s");
	now += 100 * S; /* nothing was published: nobody missed anything */
	receive(s, published(P0, ROOM_A));
	now += 100 * S;
	struct message_id one = published(P0, ROOM_A);
	now += 3 * S;
	struct message_id two = published(P0, ROOM_A);
	now += S;
	receive(s, one);
	receive(s, two);
	tally();
	ck_assert_uint_eq(t.longest_gap_us, 4 * S);
	done();
}
END_TEST

START_TEST(silence_to_the_end_counts_up_to_the_last_message)
{
	begin();
	struct subscription *gone = subscribe(ROOM_A, "gone"), *s = subscribe(ROOM_B, "s");
	published(P0, ROOM_A);
	published(P0, ROOM_B);
	now += 2 * S;
	published(P0, ROOM_B);
	now += 7 * S;
	published(P0, ROOM_A);
	ledger_unsubscribe(ledger, gone, now); /* of a session that ended nothing can be said */
	now += 50 * S;
	tally();
	ck_assert_uint_eq(t.longest_gap_us, 2 * S);
	receive(s, (struct message_id){P0, ROOM_B, 0});
	tally();
	ck_assert_uint_eq(t.longest_gap_us, 59 * S);
	done();
}
END_TEST

START_TEST(the_time_without_acknowledgements_counts_while_something_is_due)
{
	begin();
	struct message_id id = publish(P0, ROOM_A);
	now += MS;
	acknowledge(id);
	now += 100 * S;          /* nothing was due */
	ledger_due(ledger, now); /* due, and could not be sent */
	now += 2 * S;
	id = publish(P0, ROOM_A);
	now += S;
	acknowledge(id);
	tally();
	ck_assert_uint_eq(t.longest_ack_gap_us, 3 * S);
	ledger_due(ledger, now);
	now += 9 * S;
	ledger_stopped(ledger, now);
	tally();
	ck_assert_uint_eq(t.longest_ack_gap_us, 9 * S);
	done();
}
END_TEST

START_TEST(what_is_told_late_is_no_gap)
{
	begin();
	struct subscription *s = subscribe(ROOM_A, "s");
	struct message_id id = publish(P0, ROOM_A);
	now -= MS;
	acknowledge(id);
	receive(s, id);
	tally();
	ck_assert_uint_eq(t.longest_ack_gap_us, 0);
	ck_assert_uint_eq(t.longest_gap_us, 0);
	done();
}
END_TEST

/* --- findings ----------------------------------------------------------------------------------------------------- */

static bool is(const struct ledger_example *e, enum finding finding, uint32_t target, uint32_t number,
               const char *session)
{
	return e->finding == finding && e->id.target == target && e->id.number == number && !strcmp(e->session, session);
}

START_TEST(names_the_first_of_each_kind)
{
	size_t n;

	begin();
	struct subscription *s = subscribe(ROOM_A, "01KC-the-session");
	struct message_id ids[6];
	for (int i = 0; i < 6; i++)
		ids[i] = published(P1, ROOM_A);
	published(P0, USER_A);
	receive(s, ids[1]);
	receive(s, ids[0]);
	receive(s, ids[1]);
	ck_assert_int_eq(ledger_find_lost(ledger), 0);
	const struct ledger_example *e = ledger_examples(ledger, &n);
	ck_assert_uint_eq(n, 4); /* five are lost, two are kept */
	ck_assert(is(&e[0], FINDING_DISORDERED, ROOM_A, 0, "01KC-the-session"));
	ck_assert(is(&e[1], FINDING_DOUBLED, ROOM_A, 1, "01KC-the-session"));
	ck_assert(is(&e[2], FINDING_LOST, ROOM_A, 2, "01KC-the-session"));
	ck_assert(is(&e[3], FINDING_LOST, ROOM_A, 3, "01KC-the-session"));
	ck_assert_uint_eq(e[3].id.publisher, P1);
	tally();
	ck_assert_uint_eq(t.rooms.lost, 4);
	ck_assert_uint_eq(t.users.lost, 1);
	done();
}
END_TEST

/* --- at random ---------------------------------------------------------------------------------------------------- */

enum { SESSIONS = 8, MESSAGES = 400 };

/* One plain flag for everything, against what the ledger says. */
struct model {
	struct message_id id[MESSAGES];
	bool acknowledged[MESSAGES], expected[SESSIONS][MESSAGES];
	unsigned got[SESSIONS][MESSAGES];
	uint32_t n;
};

static void check_model(const struct model *m)
{
	uint64_t expected = 0, delivered = 0, lost = 0, doubled = 0, unacknowledged = 0, early = 0;

	for (uint32_t s = 0; s < SESSIONS; s++) {
		for (uint32_t i = 0; i < m->n; i++) {
			unsigned got = m->got[s][i];
			bool asked = m->expected[s][i];
			expected += asked && m->acknowledged[i];
			delivered += asked && m->acknowledged[i] && got;
			lost += asked && m->acknowledged[i] && !got;
			unacknowledged += asked && !m->acknowledged[i] && got;
			early += !asked && got;
			doubled += got > 1 ? got - 1 : 0;
		}
	}
	tally();
	ck_assert_uint_eq(t.rooms.expected, expected);
	ck_assert_uint_eq(t.rooms.delivered, delivered);
	ck_assert_uint_eq(t.rooms.lost, lost);
	ck_assert_uint_eq(t.rooms.doubled, doubled);
	ck_assert_uint_eq(t.rooms.unacknowledged_delivered, unacknowledged);
	ck_assert_uint_eq(t.rooms.early, early);
	ck_assert_uint_eq(t.rooms.excused, 0);
}

START_TEST(agrees_with_a_table_of_everything)
{
	static struct model m;
	struct dice dice = dice_of(21);
	struct subscription *s[SESSIONS] = {NULL};

	begin();
	while (m.n < MESSAGES) {
		uint32_t who = dice_below(&dice, SESSIONS), what = dice_below(&dice, 12);
		now += MS;
		if (what == 0 && !s[who]) {
			s[who] = subscribe(ROOM_A, "s");
		} else if (what < 4) {
			m.id[m.n] = publish(dice_below(&dice, PUBLISHERS), ROOM_A);
			for (uint32_t k = 0; k < SESSIONS; k++)
				m.expected[k][m.n] = s[k];
			m.n++;
		} else if (what < 6 && m.n) {
			uint32_t i = dice_below(&dice, m.n);
			if (!m.acknowledged[i])
				acknowledge(m.id[i]);
			m.acknowledged[i] = true;
		} else if (m.n && s[who]) {
			uint32_t i = dice_below(&dice, m.n);
			receive(s[who], m.id[i]);
			m.got[who][i]++;
		}
		if (m.n % 50 == 0)
			check_model(&m);
	}
	check_model(&m);
	done();
}
END_TEST

CHECK_MAIN("bench.ledger", all_is_well, only_what_was_published_after_the_join_is_expected,
           a_message_without_an_acknowledgement_is_not_expected, gaps_are_lost_whoever_published,
           twice_is_doubled_and_not_disordered, order_is_per_publisher_target_and_session,
           a_session_that_ended_soon_is_excused, an_acknowledgement_after_the_end_excuses,
           a_session_that_lives_to_the_end_has_no_excuse, a_new_session_of_the_same_client_begins_anew,
           what_does_not_belong_here_is_misrouted, a_notification_needs_one_receipt,
           an_ended_session_does_not_excuse_a_notification, the_offline_queue_counts,
           again_at_a_later_session_is_repeated_not_doubled, kept_for_a_later_session_is_just_delivered,
           a_notification_of_another_user_is_misrouted, silence_counts_while_something_is_published,
           silence_to_the_end_counts_up_to_the_last_message,
           the_time_without_acknowledgements_counts_while_something_is_due, what_is_told_late_is_no_gap,
           names_the_first_of_each_kind, agrees_with_a_table_of_everything)
