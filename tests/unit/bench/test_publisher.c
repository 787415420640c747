/* When a publisher sends: its rate, its window, and what happens when it is held up. The clock and the wire are ours.
 */
#include "bench/publisher.h"

#include "base/err.h"
#include "check_main.h"

#define MS 1000u
#define WINDOW 4
#define SENT_MAX 2000

static struct load load;
static struct histogram ack;
static struct publisher publisher;
static uint64_t now;
static bool up;
static struct {
	uint32_t slot;
	struct message_id id;
} sent[SENT_MAX];
static unsigned n_sent, n_flushes;
static struct tally t;

static bool ready(const struct publisher *p)
{
	(void)p;
	return up;
}

static void send_message(struct publisher *p, uint32_t slot, const struct message_id *id, struct str payload)
{
	struct payload read;

	(void)p;
	ck_assert(payload_read(payload, STR("x"), 2, &read));
	ck_assert_mem_eq(&read.id, id, sizeof(*id));
	ck_assert_uint_eq(read.published_us, now);
	ck_assert_uint_lt(n_sent, SENT_MAX);
	sent[n_sent].slot = slot;
	sent[n_sent++].id = *id;
}

static void flush(struct publisher *p)
{
	(void)p;
	n_flushes++;
}

static const struct publisher_ops ops = {ready, send_message, flush};

static void begin_to(enum bench_to to, uint64_t interval_us)
{
	const struct ledger_config config = {.publishers = 3, .targets = 5, .rooms = 2};

	ack = (struct histogram){.n = 0};
	load = (struct load){.ledger = ledger_new(&config),
	                     .ack = &ack,
	                     .run = STR("x"),
	                     .to = to,
	                     .rooms = 2,
	                     .dice = dice_of(1),
	                     .payload = BUF_INIT};
	ck_assert_int_eq(pick_init(&load.room, DISTRIBUTION_UNIFORM, 2), 0);
	ck_assert_int_eq(pick_init(&load.user, DISTRIBUTION_UNIFORM, 3), 0);
	ck_assert_int_eq(publisher_init(&publisher, &ops, &load, 2, WINDOW, interval_us * 1000), 0);
	now = 1000 * MS;
	up = true;
	n_sent = n_flushes = 0;
	publisher_start(&publisher, now);
}

static void begin(uint64_t interval_us)
{
	begin_to(TO_ROOMS, interval_us);
}

static void done(void)
{
	publisher_deinit(&publisher);
	ledger_free(load.ledger);
	pick_deinit(&load.room);
	pick_deinit(&load.user);
	buf_deinit(&load.payload);
}

static void turn(void)
{
	ck_assert_int_eq(publisher_turn(&publisher, now), 0);
}

static void answer(unsigned i, enum publisher_answer what)
{
	publisher_answered(&publisher, sent[i].slot, what, now);
}

static const struct tally *tally(void)
{
	ck_assert_int_eq(ledger_tally(load.ledger, &t), 0);
	return &t;
}

START_TEST(keeps_its_rate)
{
	begin(10 * MS);
	for (unsigned ms = 0; ms < 1000; ms++, now += MS) {
		turn();
		if (n_sent)
			answer(n_sent - 1, PUBLISHER_ACKNOWLEDGED);
	}
	ck_assert_uint_eq(n_sent, 100);
	ck_assert_uint_eq(n_flushes, 100);
	ck_assert_uint_eq(load.late_sends, 0);
	ck_assert_uint_eq(tally()->publishes.acknowledged, 100);
	done();
}
END_TEST

START_TEST(makes_up_for_a_slow_loop_and_says_so)
{
	begin(10 * MS);
	turn();
	now += 35 * MS; /* it has not looked for so long: three more are due, the first of them 25 ms ago */
	turn();
	ck_assert_uint_eq(n_sent, 4);
	ck_assert_uint_eq(n_flushes, 2);
	ck_assert_uint_eq(load.late_sends, 1);
	done();
}
END_TEST

START_TEST(stops_at_the_window_and_does_not_make_up_for_it)
{
	begin(10 * MS);
	for (unsigned ms = 0; ms < 500; ms++, now += MS)
		turn();
	ck_assert_uint_eq(n_sent, WINDOW);
	answer(1, PUBLISHER_ACKNOWLEDGED);
	turn();
	ck_assert_uint_eq(n_sent, WINDOW + 1);
	ck_assert_uint_eq(sent[WINDOW].slot, sent[1].slot);
	answer(0, PUBLISHER_ACKNOWLEDGED);
	answer(2, PUBLISHER_ACKNOWLEDGED);
	now += 9 * MS;
	turn();
	ck_assert_uint_eq(n_sent, WINDOW + 1); /* the next one is due 10 ms after the last */
	now += MS;
	turn();
	ck_assert_uint_eq(n_sent, WINDOW + 2);
	ck_assert_uint_eq(load.late_sends, 0);
	done();
}
END_TEST

START_TEST(waits_for_its_connection)
{
	begin(10 * MS);
	up = false;
	turn();
	now += 300 * MS;
	turn();
	ck_assert_uint_eq(n_sent, 0);
	up = true;
	turn();
	ck_assert_uint_eq(n_sent, 1);
	answer(0, PUBLISHER_ACKNOWLEDGED);
	ck_assert_uint_eq(tally()->longest_ack_gap_us, 300 * MS); /* one has been due all the time */
	ck_assert_uint_eq(load.late_sends, 0);
	done();
}
END_TEST

START_TEST(without_a_rate_the_window_decides)
{
	begin(0);
	turn();
	ck_assert_uint_eq(n_sent, WINDOW);
	answer(3, PUBLISHER_REFUSED);
	answer(0, PUBLISHER_ACKNOWLEDGED);
	turn();
	ck_assert_uint_eq(n_sent, WINDOW + 2);
	ck_assert_uint_eq(load.late_sends, 0);
	done();
}
END_TEST

START_TEST(counts_each_answer_once)
{
	begin(0);
	turn();
	now += 7 * MS;
	answer(0, PUBLISHER_ACKNOWLEDGED);
	answer(0, PUBLISHER_ACKNOWLEDGED); /* again: no slot in use */
	answer(1, PUBLISHER_REFUSED);
	publisher_answered(&publisher, WINDOW, PUBLISHER_ACKNOWLEDGED, now); /* no slot at all */
	publisher_lost(&publisher);
	publisher_lost(&publisher);
	ck_assert_uint_eq(tally()->publishes.acknowledged, 1);
	ck_assert_uint_eq(t.publishes.refused, 1);
	ck_assert_uint_eq(t.publishes.unknown, 2);
	ck_assert_uint_eq(t.publishes.pending, 0);
	ck_assert_uint_eq(ack.n, 1);
	ck_assert_uint_eq(ack.max_us, 7 * MS);
	turn();
	ck_assert_uint_eq(n_sent, 2 * WINDOW);
	done();
}
END_TEST

START_TEST(reaches_all_it_should)
{
	static const struct {
		enum bench_to to;
		unsigned seen; /* a bit for each target */
	} rows[] = {{TO_ROOMS, 0x03}, {TO_USERS, 0x1c}, {TO_BOTH, 0x1f}};

	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		unsigned seen = 0;
		begin_to(rows[i].to, 0);
		while (n_sent < 200) {
			unsigned first = n_sent;
			turn();
			for (unsigned k = first; k < n_sent; k++) {
				answer(k, PUBLISHER_ACKNOWLEDGED);
				seen |= 1u << sent[k].id.target;
			}
		}
		ck_assert_uint_eq(seen, rows[i].seen);
		done();
	}
}
END_TEST

CHECK_MAIN("bench.publisher", keeps_its_rate, makes_up_for_a_slow_loop_and_says_so,
           stops_at_the_window_and_does_not_make_up_for_it, waits_for_its_connection, without_a_rate_the_window_decides,
           counts_each_answer_once, reaches_all_it_should)
