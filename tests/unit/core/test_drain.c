/* A node that is told to stop: what its clients hear, and when. */
#include "fakes.h"

static void drain(void)
{
	hub_drain(hub, now);
	hub_flush(hub);
}

START_TEST(draining_says_bye_to_all_and_to_newcomers)
{
	const char *why;
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	ck_assert(hub_ready(hub, &why));
	hub_drain(hub, now);
	hub_flush(hub);
	ck_assert(!hub_ready(hub, &why));
	expect_out(c, "{\"op\":\"bye\",\"code\":\"drain\",\"retry_ms\":");
	ck_assert_int_eq(c->close_code, CLOSE_DRAIN);
	c = connect_as("43");
	ck_assert_int_eq(c->close_code, CLOSE_DRAIN);
	teardown();
}
END_TEST

START_TEST(publishes_under_way_are_answered_first)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *busy = welcomed("1"), *idle = welcomed("2");
	fake_bus.publish_room = 1;
	say(busy, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":1}");
	say(busy, "{\"op\":\"publish\",\"room\":\"r\",\"data\":2,\"ref\":2}"); /* parked */
	drain();
	ck_assert_int_eq(idle->close_code, CLOSE_DRAIN);
	ck_assert_int_eq(busy->close_code, 0);
	ck_assert(busy->paused);
	answer_publish(BUS_CONFIRMED);
	advance(100);
	ck_assert_int_eq(busy->close_code, 0);
	ck_assert(busy->paused); /* its parked one is out: it is not read from all the same */
	answer_publish(BUS_CONFIRMED);
	advance(100);
	ck_assert_int_eq(busy->close_code, CLOSE_DRAIN);
	const char *first = strstr(busy->out, "\"ref\":1"), *second = strstr(busy->out, "\"ref\":2");
	const char *bye = strstr(busy->out, "\"op\":\"bye\"");
	ck_assert(first && second && bye && first < second && second < bye);
	teardown();
}
END_TEST

START_TEST(an_answer_that_does_not_come_is_not_waited_for_for_ever)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("1");
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":1}");
	drain();
	advance(4999);
	ck_assert_int_eq(c->close_code, 0);
	advance(1); /* half of drain.timeout */
	ck_assert_int_eq(c->close_code, CLOSE_DRAIN);
	teardown();
}
END_TEST

START_TEST(who_is_still_here_is_still_notified)
{
	const struct message m = {.body = STR("1")};
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("1"), *gone = welcomed("2");
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":1}");
	gone->stuck = true;
	deliver_message(KEY_USER, "2", &m);
	drain();
	deliver_message(KEY_USER, "1", &m);
	expect_out(c, "\"op\":\"notify\"");
	ck_assert_uint_eq(fake_bus.n_settled, 1);
	/* Told to go, but what was queued before is sent, and counts. */
	gone->stuck = false;
	fake_flush(gone);
	expect_out(gone, "\"op\":\"notify\"");
	hub_flush(hub);
	ck_assert_uint_eq(fake_bus.n_settled, 2);
	ck_assert_int_eq(fake_bus.settled[1], BUS_ACCEPTED);
	/* What comes after it was told is left to the bus. */
	deliver_message(KEY_USER, "2", &m);
	ck_assert_uint_eq(fake_bus.n_settled, 2);
	advance(5000);
	teardown();
}
END_TEST

START_TEST(retries_are_spread_evenly)
{
	enum { CLIENTS = 40, SLICES = 4 };
	unsigned slices[SLICES] = {0};
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	for (int i = 0; i < CLIENTS; i++)
		welcomed("1");
	drain();
	for (int i = 0; i < CLIENTS; i++) {
		long ms = strtol(strstr(conns[i].out, "\"retry_ms\":") + strlen("\"retry_ms\":"), NULL, 10);
		ck_assert(ms >= 0 && ms <= 2000);
		slices[ms * SLICES / 2001]++;
	}
	for (int i = 0; i < SLICES; i++)
		ck_assert_uint_ge(slices[i], CLIENTS / SLICES - 2);
	teardown();
}
END_TEST

START_TEST(without_a_spread_all_may_come_at_once)
{
	setup();
	config.drain.spread = 0;
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("1"), *other = welcomed("2");
	drain();
	expect_out(c, "\"retry_ms\":0}");
	expect_out(other, "\"retry_ms\":0}");
	teardown();
}
END_TEST

CHECK_MAIN("core.drain", draining_says_bye_to_all_and_to_newcomers, publishes_under_way_are_answered_first,
           an_answer_that_does_not_come_is_not_waited_for_for_ever, who_is_still_here_is_still_notified,
           retries_are_spread_evenly, without_a_spread_all_may_come_at_once)
