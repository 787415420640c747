/* Deliveries until they are settled: where each goes when its frame is taken, its time over, or too many wait. */
#include "core/holding.h"

#include <stdlib.h>

#include "check_main.h"

#define START 1000

static struct metric_registry registry;
static struct holding holding;

static void setup(const struct holding_limits *limits)
{
	registry = (struct metric_registry){0};
	holding_init(&holding, limits, &registry);
}

static void setup_usual(void)
{
	setup(&(struct holding_limits){.hold_ms = 5000, .max = 3});
}

static struct key user(const char *name)
{
	struct key key;
	ck_assert_int_eq(key_from_name(KEY_USER, str_from(name), &key), 0);
	return key;
}

/* For users whose names are the letters; `1` in the body of the first made, and so on. */
static struct bus_delivery *delivery(const char *letters, uint64_t expires_ms)
{
	static char body = '0';
	const struct message m = {.body = {&body, 1}, .expires_ms = expires_ms};
	struct bus_delivery *d = malloc(sizeof(*d) + strlen(letters) * sizeof(struct bus_target));
	struct key keys[BUS_TARGETS_MAX];

	body = body == '9' ? '1' : (char)(body + 1);
	for (size_t i = 0; letters[i]; i++)
		keys[i] = user((char[]){letters[i], 0});
	ck_assert_int_eq(bus_delivery_init(d, keys, strlen(letters), &m, 1, START), 0);
	return d;
}

static struct bus_delivery *added(const char *letters, uint64_t now)
{
	struct bus_delivery *d = delivery(letters, 0);
	ck_assert(holding_add(&holding, d, now));
	return d;
}

static bool placed(struct bus_delivery *d, const char *name)
{
	struct key key = user(name);
	return holding_placed(&holding, d, &key);
}

static void settled(struct bus_delivery *d)
{
	ck_assert_ptr_null(d->targets[0].frame->notice);
	bus_delivery_deinit(d);
	free(d);
}

static void expect_next(struct bus_delivery *expected, enum bus_settle_how expected_how)
{
	enum bus_settle_how how;
	struct bus_delivery *d = holding_next(&holding, &how);
	ck_assert_ptr_eq(d, expected);
	ck_assert_int_eq(how, expected_how);
	settled(d);
}

static void expect_none(void)
{
	enum bus_settle_how how;
	ck_assert_ptr_null(holding_next(&holding, &how));
}

START_TEST(what_is_taken_in_the_next_flush_is_accepted_in_order)
{
	setup_usual();
	struct bus_delivery *a = added("a", START), *b = added("b", START);
	ck_assert(!placed(b, "b"));
	ck_assert(!placed(a, "a"));
	expect_none(); /* from the flush only, so that all of it goes at once */
	holding_flushed(&holding, START);
	expect_next(a, BUS_ACCEPTED);
	expect_next(b, BUS_ACCEPTED);
	expect_none();
	holding_deinit(&holding);
}
END_TEST

START_TEST(what_needs_no_keeping_goes_in_its_turn)
{
	setup_usual();
	struct bus_delivery *a = added("a", START), *b = added("b", START);
	holding_decide(b, BUS_REJECTED);
	ck_assert_ptr_eq(a->targets[0].frame->notice, a);
	(void)placed(a, "a");
	holding_flushed(&holding, START);
	expect_next(a, BUS_ACCEPTED);
	expect_next(b, BUS_REJECTED);
	holding_deinit(&holding);
}
END_TEST

START_TEST(each_user_must_have_his_own)
{
	setup_usual();
	struct bus_delivery *d = added("ab", START);
	ck_assert(!placed(d, "a"));
	ck_assert(!placed(d, "a")); /* his second session */
	ck_assert(!placed(d, "c"));
	holding_flushed(&holding, START);
	expect_none();
	ck_assert_uint_eq(counter_get(&holding.counters.held), 1);
	ck_assert(placed(d, "b"));
	ck_assert_uint_eq(counter_get(&holding.counters.held), 0);
	ck_assert_uint_eq(counter_get(&holding.counters.delivered), 1);
	expect_next(d, BUS_ACCEPTED);
	holding_deinit(&holding);
}
END_TEST

START_TEST(time_is_over)
{
	setup_usual();
	struct bus_delivery *first = added("ab", START);
	(void)placed(first, "a");
	holding_flushed(&holding, START);
	struct bus_delivery *second = added("a", START + 100);
	holding_flushed(&holding, START + 100);
	holding_tick(&holding, START + 4999);
	expect_none();
	holding_tick(&holding, START + 5000);
	ck_assert(first->targets[0].placed && !first->targets[1].placed);
	expect_next(first, BUS_STRAY);
	expect_none();
	holding_tick(&holding, START + 5100);
	expect_next(second, BUS_STRAY);
	ck_assert_uint_eq(counter_get(&holding.counters.over_time), 2);
	holding_deinit(&holding);
}
END_TEST

START_TEST(the_oldest_makes_room)
{
	setup_usual();
	struct bus_delivery *d[5];
	for (size_t i = 0; i < GRID_ARRAY_LEN(d); i++)
		d[i] = added("a", START);
	expect_none(); /* what the next flush may take is not held yet */
	holding_flushed(&holding, START);
	expect_next(d[0], BUS_STRAY);
	expect_next(d[1], BUS_STRAY);
	expect_none();
	ck_assert_uint_eq(counter_get(&holding.counters.held), 3);
	ck_assert_uint_eq(counter_get(&holding.counters.over_room), 2);
	holding_tick(&holding, START + 5000);
	for (size_t i = 2; i < GRID_ARRAY_LEN(d); i++)
		expect_next(d[i], BUS_STRAY);
	holding_deinit(&holding);
}
END_TEST

START_TEST(no_time_is_over_while_clients_come_back)
{
	setup(&(struct holding_limits){.hold_ms = 5000, .hold_until_ms = START + 30000, .max = 3});
	struct bus_delivery *early = added("a", START);
	holding_flushed(&holding, START);
	struct bus_delivery *late = added("a", START + 29000);
	holding_flushed(&holding, START + 29000);
	holding_tick(&holding, START + 29999);
	expect_none();
	holding_tick(&holding, START + 30000);
	expect_next(early, BUS_STRAY);
	holding_tick(&holding, START + 33999);
	expect_none();
	holding_tick(&holding, START + 34000);
	expect_next(late, BUS_STRAY);
	holding_deinit(&holding);
}
END_TEST

START_TEST(no_time_to_hold_is_at_once)
{
	setup(&(struct holding_limits){.hold_ms = 0, .max = 3});
	struct bus_delivery *d = added("a", START);
	holding_flushed(&holding, START);
	expect_next(d, BUS_STRAY);
	holding_deinit(&holding);
}
END_TEST

START_TEST(no_room_to_hold_is_at_once)
{
	setup(&(struct holding_limits){.hold_ms = 5000, .max = 0});
	struct bus_delivery *d = added("a", START);
	holding_flushed(&holding, START);
	expect_next(d, BUS_STRAY);
	holding_deinit(&holding);
}
END_TEST

START_TEST(what_expires_is_dropped)
{
	setup_usual();
	struct bus_delivery *before = delivery("a", 10), *meanwhile = delivery("a", 4000);
	ck_assert(!holding_add(&holding, before, START + 10));
	ck_assert(holding_add(&holding, meanwhile, START + 10));
	holding_flushed(&holding, START + 10);
	expect_next(before, BUS_REJECTED);
	expect_none();
	holding_tick(&holding, START + 5010);
	expect_next(meanwhile, BUS_REJECTED);
	ck_assert_uint_eq(counter_get(&holding.counters.expired), 2);
	ck_assert_uint_eq(counter_get(&holding.counters.over_time), 0);
	holding_deinit(&holding);
}
END_TEST

/* --- offers ------------------------------------------------------------------------------------------------------- */

struct taker {
	char bodies[8];
	size_t n;
	size_t room;
	bool at_once; /* its socket takes what it was offered before */
	struct bus_delivery *last;
};

static bool take(void *arg, struct msgbuf *frame)
{
	struct taker *t = arg;

	if (t->n == t->room)
		return false;
	if (t->at_once && t->last)
		(void)placed(t->last, "a");
	t->last = frame->notice;
	t->bodies[t->n++] = (char)frame->data[frame->len - 2];
	return true;
}

START_TEST(who_comes_is_offered_all_that_waits_in_order)
{
	setup_usual();
	struct taker t = {.room = 7};
	struct key a = user("a");
	struct bus_delivery *held = added("a", START), *others = added("b", START);
	holding_flushed(&holding, START);
	struct bus_delivery *fresh = added("ba", START), *done = added("a", START);
	(void)placed(done, "a");
	holding_offer(&holding, &a, START, take, &t);
	ck_assert_uint_eq(t.n, 2);
	ck_assert_int_eq(t.bodies[0] + 2, t.bodies[1]);
	ck_assert(placed(held, "a"));
	expect_next(held, BUS_ACCEPTED);
	holding_flushed(&holding, START);
	expect_next(done, BUS_ACCEPTED);
	holding_tick(&holding, START + 5000);
	expect_next(others, BUS_STRAY);
	expect_next(fresh, BUS_STRAY);
	holding_deinit(&holding);
}
END_TEST

START_TEST(what_is_offered_may_be_taken_at_once)
{
	setup_usual();
	struct taker t = {.room = 7, .at_once = true};
	struct key a = user("a");
	struct bus_delivery *d[3];
	for (size_t i = 0; i < GRID_ARRAY_LEN(d); i++)
		d[i] = added("a", START);
	holding_flushed(&holding, START);
	holding_offer(&holding, &a, START, take, &t);
	ck_assert_uint_eq(t.n, 3);
	expect_next(d[0], BUS_ACCEPTED);
	expect_next(d[1], BUS_ACCEPTED);
	expect_none();
	ck_assert(placed(d[2], "a"));
	expect_next(d[2], BUS_ACCEPTED);
	holding_deinit(&holding);
}
END_TEST

/* What comes after it is not held up, so what has no room cannot come later: order. */
START_TEST(what_there_is_no_room_for_is_handed_over)
{
	setup_usual();
	struct taker t = {.room = 1};
	struct key a = user("a");
	struct bus_delivery *first = added("a", START), *second = added("a", START), *expired = delivery("a", 100);
	ck_assert(holding_add(&holding, expired, START));
	holding_flushed(&holding, START);
	holding_offer(&holding, &a, START + 100, take, &t);
	expect_next(second, BUS_STRAY);
	expect_next(expired, BUS_REJECTED);
	expect_none();
	(void)placed(first, "a");
	expect_next(first, BUS_ACCEPTED);
	holding_deinit(&holding);
}
END_TEST

START_TEST(what_is_forgotten_is_left_to_the_bus)
{
	setup_usual();
	struct bus_delivery *held = added("a", START);
	holding_flushed(&holding, START);
	struct bus_delivery *ready = added("a", START);
	(void)placed(ready, "a");
	holding_flushed(&holding, START);
	struct bus_delivery *fresh = added("a", START);
	holding_forget(&holding);
	expect_none();
	settled(held);
	settled(ready);
	settled(fresh);
	ck_assert_uint_eq(counter_get(&holding.counters.held), 0);
	holding_deinit(&holding);
}
END_TEST

CHECK_MAIN("core.holding", what_is_taken_in_the_next_flush_is_accepted_in_order, what_needs_no_keeping_goes_in_its_turn,
           each_user_must_have_his_own, time_is_over, the_oldest_makes_room, no_time_is_over_while_clients_come_back,
           no_time_to_hold_is_at_once, no_room_to_hold_is_at_once, what_expires_is_dropped,
           who_comes_is_offered_all_that_waits_in_order, what_is_offered_may_be_taken_at_once,
           what_there_is_no_room_for_is_handed_over, what_is_forgotten_is_left_to_the_bus)
