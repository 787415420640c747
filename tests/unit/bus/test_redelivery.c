/* What comes again after a lost link: recognised once for each time it was there, and no longer than it can come. */
#include "bus/rabbitmq/redelivery.h"

#include "check_main.h"

static struct redelivery *table(size_t prefetch)
{
	struct redelivery *r = redelivery_new(prefetch);
	ck_assert_ptr_nonnull(r);
	return r;
}

static void acknowledge(struct redelivery *r, uint64_t from, uint64_t to)
{
	for (uint64_t f = from; f <= to; f++)
		redelivery_acknowledged(r, f);
}

static void expect_settled(struct redelivery *r, uint64_t fingerprint)
{
	struct expected *held;
	ck_assert_msg(redelivery_match(r, fingerprint, &held) == REDELIVERY_SETTLED, "%ju", (uintmax_t)fingerprint);
}

static void expect_new(struct redelivery *r, uint64_t fingerprint)
{
	struct expected *held;
	ck_assert_msg(redelivery_match(r, fingerprint, &held) == REDELIVERY_NEW, "%ju", (uintmax_t)fingerprint);
}

static void expect_held(struct redelivery *r, struct expected *want)
{
	struct expected *held = NULL;
	ck_assert_int_eq(redelivery_match(r, want->fingerprint, &held), REDELIVERY_HELD);
	ck_assert_ptr_eq(held, want);
	ck_assert(!want->listed);
}

START_TEST(what_was_acknowledged_is_recognised_once)
{
	struct redelivery *r = table(8);

	acknowledge(r, 1, 3);
	expect_new(r, 2); /* not lost yet: it cannot come again */
	redelivery_lost(r, 0);
	expect_settled(r, 2);
	expect_new(r, 2);
	expect_settled(r, 1);
	expect_settled(r, 3);
	expect_new(r, 4);
	redelivery_free(r);
}
END_TEST

START_TEST(what_the_broker_has_taken_cannot_come)
{
	struct redelivery *r = table(8);

	acknowledge(r, 1, 6);
	redelivery_lost(r, 4);
	expect_new(r, 4);
	expect_settled(r, 5);
	expect_settled(r, 6);
	acknowledge(r, 7, 7); /* the count starts anew with each link */
	redelivery_lost(r, 1);
	expect_new(r, 7);
	redelivery_free(r);
}
END_TEST

START_TEST(the_last_of_a_whole_prefetch_are_remembered)
{
	struct redelivery *r = table(4);

	acknowledge(r, 1, 10);
	redelivery_lost(r, 2);
	expect_new(r, 6);
	for (uint64_t f = 7; f <= 10; f++)
		expect_settled(r, f);
	redelivery_free(r);
}
END_TEST

START_TEST(identical_ones_count)
{
	struct redelivery *r = table(8);

	for (int i = 0; i < 3; i++)
		redelivery_acknowledged(r, 7);
	redelivery_lost(r, 1);
	expect_settled(r, 7);
	expect_settled(r, 7);
	expect_new(r, 7);
	redelivery_free(r);
}
END_TEST

START_TEST(a_held_one_is_found)
{
	struct redelivery *r = table(8);
	struct expected held = {.fingerprint = 5};

	redelivery_lost(r, 0);
	redelivery_expect(r, &held);
	expect_held(r, &held);
	expect_new(r, 5);
	redelivery_free(r);
}
END_TEST

START_TEST(a_held_one_that_is_settled_meanwhile_is_dropped)
{
	struct redelivery *r = table(8);
	struct expected held = {.fingerprint = 5};

	redelivery_lost(r, 0);
	redelivery_expect(r, &held);
	redelivery_settle(r, &held);
	ck_assert(!held.listed);
	expect_settled(r, 5);
	expect_new(r, 5);
	redelivery_settle(r, &held); /* not listed any more: nothing to remember */
	expect_new(r, 5);
	redelivery_free(r);
}
END_TEST

/* Both are the same message to the broker; the one that waits for a tag must get it. */
START_TEST(a_held_one_comes_before_an_identical_settled_one)
{
	struct redelivery *r = table(8);
	struct expected one = {.fingerprint = 5}, two = {.fingerprint = 5};

	redelivery_lost(r, 0);
	redelivery_expect(r, &one);
	redelivery_expect(r, &two);
	redelivery_settle(r, &one); /* now the newest of the three in its bucket */
	expect_held(r, &two);
	expect_settled(r, 5);
	expect_new(r, 5);
	redelivery_free(r);
}
END_TEST

START_TEST(something_new_ends_it)
{
	struct redelivery *r = table(8);
	struct expected held = {.fingerprint = 5};

	acknowledge(r, 1, 2);
	redelivery_lost(r, 0);
	redelivery_expect(r, &held);
	redelivery_complete(r);
	ck_assert(!held.listed);
	expect_new(r, 1);
	expect_new(r, 5);
	acknowledge(r, 1, 1);
	redelivery_complete(r); /* of this link: still needed when that is lost */
	redelivery_lost(r, 0);
	expect_settled(r, 1);
	redelivery_free(r);
}
END_TEST

START_TEST(losses_in_a_row_add_up)
{
	struct redelivery *r = table(8);
	struct expected held = {.fingerprint = 6};

	acknowledge(r, 1, 5);
	redelivery_lost(r, 0);
	redelivery_expect(r, &held);
	/* The next link lasts for two of them, and one nobody had seen; the acknowledgement of one arrives. */
	expect_settled(r, 1);
	acknowledge(r, 1, 1);
	expect_settled(r, 2);
	acknowledge(r, 2, 2);
	acknowledge(r, 7, 7);
	redelivery_lost(r, 1);
	expect_new(r, 1);
	for (uint64_t f = 2; f <= 5; f++)
		expect_settled(r, f);
	expect_held(r, &held);
	expect_settled(r, 7);
	redelivery_free(r);
}
END_TEST

START_TEST(the_oldest_give_way)
{
	struct redelivery *r = table(4);

	acknowledge(r, 1, 4);
	redelivery_lost(r, 0);
	acknowledge(r, 5, 7);
	redelivery_lost(r, 0);
	for (uint64_t f = 1; f <= 3; f++)
		expect_new(r, f);
	for (uint64_t f = 4; f <= 7; f++)
		expect_settled(r, f);
	redelivery_free(r);
}
END_TEST

/* The queue of a broker with one consumer, whose link is cut at any moment: in flight are deliveries one way and
 * acknowledgements the other. Whatever is lost on the way, each message is dealt with exactly once. */
enum { PREFETCH = 16, MESSAGES = 3000, BODIES = 96 };

struct node {
	struct redelivery *table;
	struct message {
		struct expected expected;
		unsigned life;
		bool in_hand;
	} hand[3 * PREFETCH];
	unsigned life;
	int dealt_with[BODIES];
	int links_lost;
};

/* Of this link, in order: what the broker has sent and what we have read of it; what we have acknowledged. */
struct wire {
	int sent[2 * MESSAGES]; /* places in the queue */
	int sent_n, read_n;
	int acked[2 * MESSAGES];
	int acked_n, taken_n;
	int known_n; /* to have been taken: what the last answer said */
};

struct queue {
	uint64_t body[MESSAGES];
	bool gone[MESSAGES];
	bool redelivered[MESSAGES];
	bool out[MESSAGES]; /* sent on this link, not acknowledged */
	int out_n;
};

static void send_some(struct queue *q, struct wire *w, int n)
{
	for (int i = 0; i < MESSAGES && n > 0 && q->out_n < PREFETCH; i++) {
		if (q->gone[i] || q->out[i])
			continue;
		q->out[i] = true;
		q->out_n++;
		w->sent[w->sent_n++] = i;
		n--;
	}
}

static void acknowledge_place(struct wire *w, int place)
{
	w->acked[w->acked_n++] = place;
}

static int places[3 * PREFETCH]; /* of what is in hand: the tag */

static void read_one(struct node *n, struct queue *q, struct wire *w)
{
	int place = w->sent[w->read_n++];
	struct expected *held;

	if (!q->redelivered[place]) {
		redelivery_complete(n->table);
	} else {
		switch (redelivery_match(n->table, q->body[place], &held)) {
		case REDELIVERY_SETTLED:
			redelivery_acknowledged(n->table, q->body[place]);
			acknowledge_place(w, place);
			return;
		case REDELIVERY_HELD: {
			struct message *m = GRID_CONTAINER_OF(held, struct message, expected);
			m->life = n->life;
			places[m - n->hand] = place;
			return;
		}
		case REDELIVERY_NEW:
			break;
		}
	}
	size_t i = 0;
	while (n->hand[i].in_hand)
		i++;
	ck_assert_uint_lt(i, GRID_ARRAY_LEN(n->hand));
	n->hand[i] = (struct message){.expected.fingerprint = q->body[place], .life = n->life, .in_hand = true};
	places[i] = place;
	n->dealt_with[q->body[place] % BODIES]++;
}

static void settle_one(struct node *n, struct wire *w, size_t i)
{
	struct message *m = &n->hand[i];

	m->in_hand = false;
	if (m->life == n->life) {
		redelivery_acknowledged(n->table, m->expected.fingerprint);
		acknowledge_place(w, places[i]);
	} else {
		redelivery_settle(n->table, &m->expected);
	}
}

static void take_some(struct queue *q, struct wire *w, int n)
{
	for (; n > 0 && w->taken_n < w->acked_n; n--) {
		int place = w->acked[w->taken_n++];
		ck_assert(q->out[place]);
		q->out[place] = false;
		q->out_n--;
		q->gone[place] = true;
	}
}

static void lose_link(struct node *n, struct queue *q, struct wire *w)
{
	redelivery_lost(n->table, (uint64_t)w->known_n);
	for (size_t i = 0; i < GRID_ARRAY_LEN(n->hand); i++)
		if (n->hand[i].in_hand && n->hand[i].life == n->life)
			redelivery_expect(n->table, &n->hand[i].expected);
	for (int i = 0; i < MESSAGES; i++) {
		q->redelivered[i] = q->redelivered[i] || q->out[i];
		q->out[i] = false;
	}
	q->out_n = 0;
	*w = (struct wire){.sent_n = 0};
	n->life++;
	n->links_lost++;
}

static void settle_some(struct node *n, struct wire *w)
{
	for (size_t i = 0; i < GRID_ARRAY_LEN(n->hand); i++)
		if (n->hand[i].in_hand && rand() % 3 == 0)
			settle_one(n, w, i);
}

static bool all_gone(const struct queue *q)
{
	for (int i = 0; i < MESSAGES; i++)
		if (!q->gone[i])
			return false;
	return true;
}

static void run(unsigned seed, bool distinct)
{
	static struct queue q;
	static struct wire w;
	struct node n = {.table = table(PREFETCH), .life = 1};
	int want[BODIES] = {0};

	srand(seed);
	q = (struct queue){.out_n = 0};
	w = (struct wire){.sent_n = 0};
	for (int i = 0; i < MESSAGES; i++) {
		q.body[i] = distinct ? (uint64_t)i : (uint64_t)(i % BODIES);
		want[i % BODIES]++;
	}
	while (!all_gone(&q)) {
		send_some(&q, &w, rand() % 8);
		for (int k = rand() % 8; k > 0 && w.read_n < w.sent_n; k--)
			read_one(&n, &q, &w);
		settle_some(&n, &w);
		w.known_n = w.taken_n; /* the answer is never far behind */
		take_some(&q, &w, rand() % 8);
		if (rand() % 12 == 0 || w.sent_n > MESSAGES)
			lose_link(&n, &q, &w);
	}
	ck_assert_int_gt(n.links_lost, 30);
	for (int i = 0; i < BODIES; i++)
		ck_assert_msg(n.dealt_with[i] == want[i], "seed %u: %d of %d", seed, n.dealt_with[i], want[i]);
	redelivery_free(n.table);
}

START_TEST(any_cut_of_any_phase_is_dealt_with_once)
{
	for (unsigned seed = 1; seed <= 20; seed++)
		run(seed, true);
}
END_TEST

/* Identical ones are told apart as well, if they are farther from each other than what is under way at once. */
START_TEST(identical_ones_far_from_each_other_are_not_mixed_up)
{
	for (unsigned seed = 1; seed <= 20; seed++)
		run(seed, false);
}
END_TEST

CHECK_MAIN("bus.redelivery", what_was_acknowledged_is_recognised_once, what_the_broker_has_taken_cannot_come,
           the_last_of_a_whole_prefetch_are_remembered, identical_ones_count, a_held_one_is_found,
           a_held_one_that_is_settled_meanwhile_is_dropped, a_held_one_comes_before_an_identical_settled_one,
           something_new_ends_it, losses_in_a_row_add_up, the_oldest_give_way, any_cut_of_any_phase_is_dealt_with_once,
           identical_ones_far_from_each_other_are_not_mixed_up)
