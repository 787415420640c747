/* Deliveries into the queues of sessions, and what becomes of those for users whose sockets do not take them. */
#include "fakes.h"

START_TEST(messages_reach_members_and_strays_are_told_apart)
{
	struct message m = {.body = STR("{}"), .id = STR("i1"), .from = STR("9")};
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *a = welcomed("42"), *b = welcomed("42"), *other = welcomed("43");
	deliver_message(KEY_USER, "42", &m);
	ck_assert_str_eq(other->out, "");
	ck_assert_str_eq(a->out, b->out);
	expect_out(
	    a, "{\"op\":\"notify\",\"id\":\"i1\",\"ts\":1790000000000,\"from\":\"9\",\"type\":\"message\",\"data\":{}}");
	hang_up(a);
	hang_up(b);
	deliver_message(KEY_USER, "42", &m);
	deliver_message(KEY_ROOM, "nobody", &m);
	ck_assert_uint_eq(fake_bus.n_settled, 2);
	ck_assert_int_eq(fake_bus.settled[0], BUS_ACCEPTED);
	ck_assert_int_eq(fake_bus.settled[1], BUS_REJECTED);
	advance(5000);
	ck_assert_int_eq(fake_bus.settled[2], BUS_STRAY);
	teardown();
}
END_TEST

START_TEST(echo_false_skips_the_sender_only)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *a = welcomed("1"), *b = welcomed("2");
	say(a, "{\"op\":\"join\",\"room\":\"r\"}");
	answer_bind(BUS_BIND_OK);
	say(b, "{\"op\":\"join\",\"room\":\"r\"}");
	say(a, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"echo\":false}");
	struct message m = fake_bus.publications[0]->message;
	deliver_message(KEY_ROOM, "r", &m);
	ck_assert_str_eq(a->out, "");
	expect_out(b, "\"op\":\"message\"");
	ck_assert_int_eq(fake_bus.settled[0], BUS_ACCEPTED);
	teardown();
}
END_TEST

START_TEST(an_expired_delivery_goes_to_nobody)
{
	struct message m = {.body = STR("1"), .expires_ms = 5};
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	struct bus_delivery *d = new_delivery(KEY_USER, "42", &m);
	advance(5);
	deliver(d);
	ck_assert_str_eq(c->out, "");
	ck_assert_int_eq(fake_bus.settled[0], BUS_REJECTED);
	teardown();
}
END_TEST

START_TEST(a_client_that_does_not_read_is_closed_and_the_others_miss_nothing)
{
	char body[5000];
	struct message m = {.body = {body, sizeof(body)}};
	setup();
	memset(body, '1', sizeof(body));
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *slow = welcomed("42"), *quick = welcomed("42");
	slow->stuck = true;
	for (int i = 0; i < 10; i++)
		deliver_message(KEY_USER, "42", &m);
	ck_assert_int_eq(slow->close_code, CLOSE_TOO_SLOW);
	ck_assert(!session_has_output(slow->session));
	ck_assert_uint_gt(strlen(quick->out), 50000);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(fake_bus.settled[i], BUS_ACCEPTED);
	teardown();
}
END_TEST

START_TEST(a_burst_larger_than_the_queue_does_not_make_a_client_slow)
{
	char body[5000];
	const struct message m = {.body = {body, sizeof(body)}};
	struct bus_delivery *burst[10];
	setup();
	memset(body, '1', sizeof(body));
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	for (size_t i = 0; i < GRID_ARRAY_LEN(burst); i++)
		burst[i] = new_delivery(KEY_USER, "42", &m);
	hub_upcalls.message(hub, burst, GRID_ARRAY_LEN(burst)); /* 50 KB between two flushes; the queue holds 20 KB */
	hub_flush(hub);
	ck_assert_int_eq(c->close_code, 0);
	ck_assert_uint_gt(strlen(c->out), 10 * sizeof(body));
	teardown();
}
END_TEST

START_TEST(what_no_queue_can_hold_closes_nobody)
{
	static char body[30000];
	const struct message m = {.body = {body, sizeof(body)}};
	setup();
	memset(body, '1', sizeof(body));
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	say(c, "{\"op\":\"join\",\"room\":\"r\"}");
	answer_bind(BUS_BIND_OK);
	deliver_message(KEY_USER, "42", &m);
	deliver_message(KEY_ROOM, "r", &m);
	ck_assert_str_eq(c->out, "");
	ck_assert_int_eq(c->close_code, 0);
	ck_assert_int_eq(fake_bus.settled[0], BUS_STRAY); /* so that it ends where absent users' messages do */
	ck_assert_int_eq(fake_bus.settled[1], BUS_REJECTED);
	teardown();
}
END_TEST

/* --- until a socket has it ---------------------------------------------------------------------------------------- */

static const struct message one = {.body = STR("1")}, two = {.body = STR("2")}, three = {.body = STR("3")};

static void notify(const char *name, const struct message *m)
{
	deliver_message(KEY_USER, name, m);
}

static void expect_settled(size_t n, enum bus_settle_how last)
{
	ck_assert_uint_eq(fake_bus.n_settled, n);
	ck_assert_int_eq(fake_bus.settled[n - 1], last);
}

/* How many notifications have been sent, and that their numbers rise by one. */
static size_t count_data(const struct fake_conn *c)
{
	size_t n = 0;
	char last = 0;

	for (const char *at = c->out; (at = strstr(at, "\"data\":")); n++) {
		at += strlen("\"data\":");
		ck_assert(!last || *at == last + 1);
		last = *at;
	}
	return n;
}

START_TEST(a_notification_is_settled_when_the_socket_has_taken_it)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	welcomed("42");
	struct bus_delivery *d = new_delivery(KEY_USER, "42", &one);
	int wanted = flushes_wanted;
	hub_upcalls.message(hub, &d, 1);
	ck_assert_int_gt(flushes_wanted, wanted);
	ck_assert_uint_eq(fake_bus.n_settled, 0);
	hub_flush(hub);
	expect_settled(1, BUS_ACCEPTED);
	teardown();
}
END_TEST

START_TEST(a_room_message_waits_for_what_came_before_it)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	welcomed("42");
	struct bus_delivery *batch[] = {new_delivery(KEY_USER, "42", &one), new_delivery(KEY_ROOM, "nobody", &one)};
	hub_upcalls.message(hub, batch, 2);
	ck_assert_uint_eq(fake_bus.n_settled, 0);
	hub_flush(hub);
	ck_assert_int_eq(fake_bus.settled[0], BUS_ACCEPTED);
	expect_settled(2, BUS_REJECTED);
	teardown();
}
END_TEST

START_TEST(what_a_slow_client_has_not_taken_is_handed_over_in_time)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	c->stuck = true;
	notify("42", &one);
	advance(4999);
	ck_assert_uint_eq(fake_bus.n_settled, 0);
	advance(1);
	expect_settled(1, BUS_STRAY);
	/* It is still in the queue, and the delivery is gone. */
	c->stuck = false;
	fake_flush(c);
	expect_out(c, "\"data\":1}");
	hub_flush(hub);
	ck_assert_uint_eq(fake_bus.n_settled, 1);
	teardown();
}
END_TEST

START_TEST(what_a_slow_client_takes_later_is_settled_then)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	c->stuck = true;
	notify("42", &one);
	advance(1000);
	c->stuck = false;
	int wanted = flushes_wanted;
	fake_flush(c); /* the socket became writable: nobody flushes the hub for that */
	ck_assert_int_gt(flushes_wanted, wanted);
	hub_flush(hub);
	expect_settled(1, BUS_ACCEPTED);
	teardown();
}
END_TEST

/* Hole: the push that closes the only receiver counted as a delivery. */
START_TEST(what_was_dropped_with_a_too_slow_client_is_not_lost)
{
	char body[15000];
	const struct message large = {.body = {body, sizeof(body)}};
	setup();
	memset(body, '1', sizeof(body));
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	c->stuck = true;
	notify("42", &large);
	notify("42", &large);
	ck_assert_int_eq(c->close_code, CLOSE_TOO_SLOW);
	ck_assert_uint_eq(fake_bus.n_settled, 0);
	hang_up(c);
	advance(5000);
	ck_assert_int_eq(fake_bus.settled[0], BUS_STRAY);
	expect_settled(2, BUS_STRAY);
	teardown();
}
END_TEST

START_TEST(what_was_queued_for_a_lost_client_waits_for_the_next)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	c->stuck = true;
	notify("42", &one);
	notify("42", &two);
	hang_up(c);
	advance(1000); /* the key lingers: no bind */
	c = connect_as("42");
	const char *welcome = strstr(c->out, "\"op\":\"welcome\""), *notified = strstr(c->out, "\"data\":1}");
	ck_assert(welcome && notified && welcome < notified);
	ck_assert_uint_eq(count_data(c), 2);
	expect_settled(2, BUS_ACCEPTED);
	notify("42", &three);
	ck_assert_uint_eq(count_data(c), 3);
	teardown();
}
END_TEST

START_TEST(who_comes_back_over_a_new_bind_gets_what_waited)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	hang_up(welcomed("42"));
	notify("42", &one);
	advance(3000);
	answer_bind(BUS_BIND_OK); /* unbound meanwhile */
	struct fake_conn *c = connect_as("42");
	notify("42", &two); /* before the bind was answered */
	ck_assert_str_eq(c->out, "");
	answer_bind(BUS_BIND_OK);
	ck_assert_uint_eq(count_data(c), 2);
	expect_settled(2, BUS_ACCEPTED);
	advance(10000);
	ck_assert_uint_eq(fake_bus.n_settled, 2);
	teardown();
}
END_TEST

START_TEST(who_comes_while_the_bus_is_down_gets_what_waited_and_what_comes)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	hang_up(welcomed("42"));
	notify("42", &one);
	advance(2000);
	fake_bus.state = BUS_DOWN;
	answer_bind(BUS_BIND_LOST); /* the unbind: it may still be bound */
	bus_goes(BUS_DOWN, BUS_BINDINGS_KEPT);
	struct fake_conn *c = connect_as("42");
	ck_assert_ptr_nonnull(strstr(c->out, "\"bound\":false}"));
	bus_goes(BUS_UP, BUS_BINDINGS_KEPT);
	notify("42", &two); /* before the bind was answered */
	answer_bind(BUS_BIND_OK);
	notify("42", &three);
	ck_assert_uint_eq(count_data(c), 3);
	expect_settled(3, BUS_ACCEPTED);
	teardown();
}
END_TEST

START_TEST(another_session_of_the_user_is_enough)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *slow = welcomed("42");
	slow->stuck = true;
	notify("42", &one);
	struct fake_conn *quick = connect_as("42");
	expect_out(quick, "\"data\":1}");
	expect_settled(1, BUS_ACCEPTED);
	slow->stuck = false;
	fake_flush(slow);
	expect_out(slow, "\"data\":1}");
	ck_assert_uint_eq(fake_bus.n_settled, 1);
	teardown();
}
END_TEST

START_TEST(with_cc_only_the_absent_ones_copy_is_handed_over)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("2");
	const struct key keys[] = {key_named(KEY_USER, "1"), key_named(KEY_USER, "2"), key_named(KEY_USER, "3")};
	deliver(new_delivery_to(keys, 3, &one));
	expect_out(c, "\"data\":1}");
	ck_assert_uint_eq(fake_bus.n_settled, 0);
	struct fake_conn *third = connect_as("3");
	answer_bind(BUS_BIND_OK);
	expect_out(third, "\"data\":1}");
	advance(4999);
	ck_assert_uint_eq(fake_bus.n_settled, 0);
	advance(1);
	expect_settled(1, BUS_STRAY);
	ck_assert_uint_eq(fake_bus.placed[0], 6);
	teardown();
}
END_TEST

START_TEST(a_room_with_members_does_not_settle_an_absent_users_copy)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("1");
	say(c, "{\"op\":\"join\",\"room\":\"r\"}");
	answer_bind(BUS_BIND_OK);
	const struct key keys[] = {key_named(KEY_ROOM, "r"), key_named(KEY_USER, "2")};
	deliver(new_delivery_to(keys, 2, &one));
	expect_out(c, "\"op\":\"message\"");
	ck_assert_uint_eq(fake_bus.n_settled, 0);
	advance(5000);
	expect_settled(1, BUS_STRAY);
	ck_assert_uint_eq(fake_bus.placed[0], 0);
	teardown();
}
END_TEST

START_TEST(ones_own_message_without_echo_is_not_kept)
{
	const struct message stuck = {.body = STR("1")};
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	say(c, "{\"op\":\"publish\",\"user\":\"42\",\"data\":1,\"echo\":false}");
	struct message m = fake_bus.publications[0]->message;
	notify("42", &m);
	ck_assert_str_eq(c->out, "");
	expect_settled(1, BUS_ACCEPTED);
	notify("42", &stuck);
	expect_settled(2, BUS_ACCEPTED);
	teardown();
}
END_TEST

START_TEST(the_oldest_that_waits_makes_room)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *slow = welcomed("42");
	slow->stuck = true;
	for (int i = 0; i < 7; i++)
		notify("42", &one);
	expect_settled(2, BUS_STRAY); /* five may wait */
	advance(5000);
	expect_settled(7, BUS_STRAY);
	teardown();
}
END_TEST

START_TEST(the_time_of_coming_back_begins_when_one_can)
{
	setup();
	config.stray.hold_at_start = 30000;
	advance(100000); /* the broker is not there yet */
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	notify("42", &one);
	advance(29000);
	ck_assert_uint_eq(fake_bus.n_settled, 0);
	advance(1000);
	expect_settled(1, BUS_STRAY);
	teardown();
}
END_TEST

START_TEST(what_expires_while_it_waits_is_dropped)
{
	const struct message m = {.body = STR("1"), .expires_ms = 1000};
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	hang_up(welcomed("42"));
	notify("42", &m);
	advance(1000);
	struct fake_conn *c = connect_as("42");
	ck_assert_ptr_null(strstr(c->out, "\"data\":1}"));
	hub_flush(hub);
	expect_settled(1, BUS_REJECTED);
	teardown();
}
END_TEST

START_TEST(who_comes_back_to_more_than_his_queue_holds_is_not_too_slow)
{
	char body[9000];
	const struct message large = {.body = {body, sizeof(body)}};
	setup();
	memset(body, '1', sizeof(body));
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	hang_up(welcomed("42"));
	for (int i = 0; i < 4; i++)
		notify("42", &large);
	struct fake_conn *c = connect_as("42");
	ck_assert_int_eq(c->close_code, 0);
	ck_assert_uint_gt(strlen(c->out), 2 * sizeof(body));
	ck_assert_uint_eq(fake_bus.n_settled, 4);
	ck_assert_int_eq(fake_bus.settled[0] + fake_bus.settled[1], 2 * BUS_STRAY);
	expect_settled(4, BUS_ACCEPTED);
	teardown();
}
END_TEST

START_TEST(what_waits_at_the_end_is_left_to_the_bus)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *slow = welcomed("42");
	slow->stuck = true;
	struct bus_delivery *waits = new_delivery(KEY_USER, "42", &one);
	deliver(waits);
	hub_set_bus(hub, NULL);
	ck_assert_uint_eq(fake_bus.n_settled, 0);
	bus_delivery_deinit(waits); /* as the bus does when it is closed */
	free(waits);
	slow->stuck = false;
	fake_flush(slow);
	expect_out(slow, "\"data\":1}");
	hub_set_bus(hub, &fake_bus);
	teardown();
}
END_TEST

CHECK_MAIN("core.fanout", messages_reach_members_and_strays_are_told_apart, echo_false_skips_the_sender_only,
           an_expired_delivery_goes_to_nobody, a_client_that_does_not_read_is_closed_and_the_others_miss_nothing,
           a_burst_larger_than_the_queue_does_not_make_a_client_slow, what_no_queue_can_hold_closes_nobody,
           a_notification_is_settled_when_the_socket_has_taken_it, a_room_message_waits_for_what_came_before_it,
           what_a_slow_client_has_not_taken_is_handed_over_in_time, what_a_slow_client_takes_later_is_settled_then,
           what_was_dropped_with_a_too_slow_client_is_not_lost, what_was_queued_for_a_lost_client_waits_for_the_next,
           who_comes_back_over_a_new_bind_gets_what_waited,
           who_comes_while_the_bus_is_down_gets_what_waited_and_what_comes, another_session_of_the_user_is_enough,
           with_cc_only_the_absent_ones_copy_is_handed_over, a_room_with_members_does_not_settle_an_absent_users_copy,
           ones_own_message_without_echo_is_not_kept, the_oldest_that_waits_makes_room,
           the_time_of_coming_back_begins_when_one_can, what_expires_while_it_waits_is_dropped,
           who_comes_back_to_more_than_his_queue_holds_is_not_too_slow, what_waits_at_the_end_is_left_to_the_bus)
