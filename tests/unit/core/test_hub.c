/* The rules of the service, one by one, with a fake bus and a fake transport. */
#include "core/topics.h"
#include "fakes.h"

START_TEST(welcome_waits_for_the_users_key)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = connect_as("42");
	ck_assert_str_eq(c->out, "");
	ck_assert(c->paused);
	ck_assert_str_eq(fake_bus.binds[0].text, "user.42");
	answer_bind(BUS_BIND_OK);
	ck_assert(!c->paused);
	ck_assert_ptr_null(strstr(c->out, "\"bound\""));
	expect_out(c, "\"user\":\"42\",\"node\":\"n1\",\"heartbeat\":25,\"resumed\":false}");
	teardown();
}
END_TEST

START_TEST(a_second_session_of_a_user_is_welcome_at_once)
{
	setup();
	bus_goes(BUS_UP, true);
	welcomed("42");
	expect_out(connect_as("42"), "\"op\":\"welcome\"");
	ck_assert_uint_eq(fake_bus.n_binds, 0);
	teardown();
}
END_TEST

START_TEST(before_the_bus_was_ever_up_clients_are_sent_away)
{
	setup();
	struct fake_conn *c = connect_as("42");
	ck_assert_int_eq(c->close_code, CLOSE_TRY_LATER);
	expect_out(c, "{\"op\":\"bye\",\"code\":\"unavailable\",\"retry_ms\":");
	teardown();
}
END_TEST

START_TEST(while_the_bus_is_down_welcome_says_not_bound)
{
	setup();
	bus_goes(BUS_UP, true);
	bus_goes(BUS_DOWN, false);
	expect_out(connect_as("42"), "\"bound\":false}");
	teardown();
}
END_TEST

START_TEST(a_link_lost_before_the_answer_does_not_keep_anybody_waiting)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *ready = welcomed("1"), *opening = connect_as("2");
	say(ready, "{\"op\":\"join\",\"room\":\"r\",\"ref\":7}");
	fake_bus.state = BUS_DOWN; /* the outcomes come before the state */
	answer_bind(BUS_BIND_LOST);
	answer_bind(BUS_BIND_LOST);
	bus_goes(BUS_DOWN, false);
	expect_out(opening, "\"bound\":false}");
	expect_out(ready, "{\"op\":\"error\",\"ref\":7,\"code\":\"unavailable\"");
	bus_goes(BUS_UP, false);
	advance(100);
	ck_assert_uint_eq(fake_bus.n_binds, 2); /* user.2 is bound; room.r, of whom nobody knows, unbound */
	teardown();
}
END_TEST

START_TEST(no_or_bad_names_are_unauthorized)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = connect_as(NULL);
	ck_assert_int_eq(c->close_code, CLOSE_UNAUTHORIZED);
	expect_out(c, "\"code\":\"unauthorized\"");
	c = connect_as("a\nb");
	ck_assert_int_eq(c->close_code, CLOSE_UNAUTHORIZED);
	ck_assert_uint_eq(fake_bus.n_binds, 0);
	teardown();
}
END_TEST

START_TEST(join_is_answered_after_the_binding_and_before_any_push)
{
	struct message m = {.body = STR("1")};
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("1");
	say(c, "{\"op\":\"join\",\"room\":\"r\",\"ref\":\"a\"}");
	say(c, "{\"op\":\"join\",\"room\":\"r\",\"ref\":\"b\"}");
	deliver_message(KEY_ROOM, "r", &m);
	ck_assert_str_eq(c->out, "");
	answer_bind(BUS_BIND_OK);
	deliver_message(KEY_ROOM, "r", &m);
	ck_assert_ptr_nonnull(
	    strstr(c->out, "{\"op\":\"ok\",\"ref\":\"a\",\"room\":\"r\"}\n{\"op\":\"ok\",\"ref\":\"b\",\"room\":\"r\"}\n"
	                   "{\"op\":\"message\",\"room\":\"r\""));
	ck_assert_int_eq(fake_bus.settled[0], BUS_REJECTED);
	ck_assert_int_eq(fake_bus.settled[1], BUS_ACCEPTED);
	teardown();
}
END_TEST

START_TEST(join_again_is_ok_again_and_the_limit_holds)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("1");
	say(c, "{\"op\":\"join\",\"room\":\"a\"}");
	say(c, "{\"op\":\"join\",\"room\":\"b\"}");
	say(c, "{\"op\":\"join\",\"room\":\"c\"}");
	while (fake_bus.n_binds)
		answer_bind(BUS_BIND_OK);
	ck_assert_str_eq(c->out, ""); /* no ref, no ok */
	say(c, "{\"op\":\"join\",\"room\":\"d\",\"ref\":1}");
	expect_out(c, "{\"op\":\"error\",\"ref\":1,\"code\":\"too_many\"");
	say(c, "{\"op\":\"join\",\"room\":\"a\",\"ref\":2}");
	expect_out(c, "{\"op\":\"ok\",\"ref\":2,\"room\":\"a\"}");
	say(c, "{\"op\":\"leave\",\"room\":\"a\",\"ref\":3}");
	expect_out(c, "{\"op\":\"ok\",\"ref\":3,\"room\":\"a\"}");
	say(c, "{\"op\":\"leave\",\"room\":\"a\",\"ref\":4}");
	expect_out(c, "\"code\":\"not_joined\"");
	say(c, "{\"op\":\"join\",\"room\":\"d\",\"ref\":5}");
	answer_bind(BUS_BIND_OK);
	expect_out(c, "{\"op\":\"ok\",\"ref\":5");
	teardown();
}
END_TEST

START_TEST(asking_for_a_room_again_and_again_does_not_pile_up)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("1");
	for (int i = 0; i < TOPICS_WAITERS_MAX; i++)
		say(c, "{\"op\":\"join\",\"room\":\"a\",\"ref\":1}");
	ck_assert_str_eq(c->out, "");
	say(c, "{\"op\":\"join\",\"room\":\"a\",\"ref\":2}");
	expect_out(c, "{\"op\":\"error\",\"ref\":2,\"code\":\"too_many\"");
	answer_bind(BUS_BIND_OK);
	expect_out(c, "{\"op\":\"ok\",\"ref\":1,\"room\":\"a\"}");
	say(c, "{\"op\":\"join\",\"room\":\"a\",\"ref\":3}");
	expect_out(c, "{\"op\":\"ok\",\"ref\":3,\"room\":\"a\"}");
	teardown();
}
END_TEST

START_TEST(leave_before_the_join_was_done_answers_both)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("1");
	say(c, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}");
	say(c, "{\"op\":\"leave\",\"room\":\"r\",\"ref\":2}");
	ck_assert_ptr_nonnull(strstr(c->out, "{\"op\":\"error\",\"ref\":1,\"code\":\"not_joined\""));
	expect_out(c, "{\"op\":\"ok\",\"ref\":2,\"room\":\"r\"}");
	teardown();
}
END_TEST

START_TEST(a_refused_bind_is_an_error_to_that_joiner_alone)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *a = welcomed("1"), *b = welcomed("2");
	say(a, "{\"op\":\"join\",\"room\":\"no\",\"ref\":1}");
	say(b, "{\"op\":\"join\",\"room\":\"yes\",\"ref\":1}");
	answer_bind(BUS_BIND_REFUSED); /* no */
	answer_bind(BUS_BIND_OK);      /* yes */
	expect_out(b, "{\"op\":\"ok\",\"ref\":1,\"room\":\"yes\"}");
	ck_assert_str_eq(a->out, "");
	answer_bind(BUS_BIND_REFUSED); /* no, again */
	expect_out(a, "{\"op\":\"error\",\"ref\":1,\"code\":\"internal\"");
	ck_assert_int_eq(a->close_code, 0);
	ck_assert_uint_eq(fake_bus.n_binds, 0);
	teardown();
}
END_TEST

START_TEST(publish_is_answered_when_confirmed_with_the_id_that_travels)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("7");
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":{\"a\": 1.0},\"type\":\"chat\",\"ref\":1}");
	ck_assert_str_eq(c->out, "");
	struct message m = fake_bus.publications[0]->message;
	char expected[200];
	ck_assert(str_eq(m.body, STR("{\"a\": 1.0}")) && str_eq(m.from, STR("7")) && str_eq(m.type, STR("chat")));
	ck_assert(str_eq(m.origin, STR("n1.E")) && !m.no_echo);
	snprintf(expected, sizeof(expected), "{\"op\":\"ok\",\"ref\":1,\"id\":\"%.*s\",\"ts\":1790000000000}",
	         STR_ARG(m.id));
	answer_publish(BUS_CONFIRMED);
	expect_out(c, expected);
	say(c, "{\"op\":\"publish\",\"user\":\"9\",\"data\":null,\"id\":\"mine\",\"ref\":2}");
	answer_publish(BUS_UNROUTED);
	expect_out(c, "{\"op\":\"ok\",\"ref\":2,\"id\":\"mine\",\"ts\":1790000000000,\"routed\":false}");
	say(c, "{\"op\":\"publish\",\"user\":\"9\",\"data\":null,\"ref\":3}");
	answer_publish(BUS_FAILED);
	expect_out(c, "{\"op\":\"error\",\"ref\":3,\"code\":\"unavailable\"");
	teardown();
}
END_TEST

START_TEST(bad_publishes_are_named)
{
	static const struct {
		const char *frame, *code;
	} cases[] = {
	    {"{\"op\":\"publish\",\"data\":1}", "bad_request"},
	    {"{\"op\":\"publish\",\"room\":\"a\",\"user\":\"b\",\"data\":1}", "bad_request"},
	    {"{\"op\":\"publish\",\"room\":\"a\"}", "bad_request"},
	    {"{\"op\":\"publish\",\"room\":1,\"data\":1}", "bad_request"},
	    {"{\"op\":\"publish\",\"room\":\"a..b\",\"data\":1}", "bad_name"},
	    {"{\"op\":\"publish\",\"room\":\"a\",\"data\":1,\"type\":\"grid.kick\"}", "bad_request"},
	    {"{\"op\":\"publish\",\"room\":\"a\",\"data\":1,\"type\":\"receipt\"}", "bad_request"},
	    {"{\"op\":\"publish\",\"room\":\"a\",\"data\":1,\"type\":7}", "bad_request"},
	    {"{\"op\":\"publish\",\"room\":\"a\",\"data\":1,\"id\":\"\\u00fc\"}", "bad_request"},
	    {"{\"op\":\"publish\",\"room\":\"a\",\"data\":1,\"echo\":\"no\"}", "bad_request"},
	    {"{\"op\":\"join\",\"room\":\"a\",\"since\":1}", "bad_request"},
	    {"{\"op\":\"nonsense\"}", "unknown_op"},
	    {"{\"op\":1}", "bad_request"},
	    {"[]", "bad_json"},
	    {"{\"op\":\"ping\"", "bad_json"},
	};
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("7");
	for (size_t i = 0; i < GRID_ARRAY_LEN(cases); i++) {
		char code[40];
		snprintf(code, sizeof(code), "\"code\":\"%s\"", cases[i].code);
		say(c, cases[i].frame);
		expect_out(c, code);
	}
	ck_assert_uint_eq(fake_bus.n_publications, 0);
	teardown();
}
END_TEST

START_TEST(a_full_window_stops_reading_and_nothing_is_lost_or_reordered)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("7");
	fake_bus.publish_room = 1;
	for (int i = 0; i < 3; i++) {
		char frame[100];
		snprintf(frame, sizeof(frame), "{\"op\":\"publish\",\"room\":\"r\",\"data\":%d,\"ref\":%d}", i, i);
		say(c, frame);
	}
	ck_assert(c->paused);
	for (int i = 0; i < 3; i++) {
		char ref[40];
		ck_assert_int_eq(fake_bus.publications[0]->message.body.p[0], '0' + i);
		answer_publish(BUS_CONFIRMED);
		snprintf(ref, sizeof(ref), "\"ref\":%d", i);
		expect_out(c, ref);
	}
	ck_assert(!c->paused);
	teardown();
}
END_TEST

START_TEST(while_down_or_blocked_publish_is_unavailable)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("7");
	fake_bus.publish_room = 1;
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":0}"); /* under way */
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":1}"); /* parked */
	bus_goes(BUS_BLOCKED, false);
	ck_assert_ptr_nonnull(strstr(c->out, "{\"op\":\"error\",\"ref\":0,\"code\":\"unavailable\""));
	expect_out(c, "{\"op\":\"error\",\"ref\":1,\"code\":\"unavailable\"");
	answer_publish(BUS_CONFIRMED); /* too late to be told */
	ck_assert_str_eq(c->out, "");
	ck_assert(!c->paused);
	bus_goes(BUS_DOWN, false);
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":2}");
	expect_out(c, "{\"op\":\"error\",\"ref\":2,\"code\":\"unavailable\"");
	say(c, "{\"op\":\"join\",\"room\":\"r\",\"ref\":3}");
	expect_out(c, "{\"op\":\"error\",\"ref\":3,\"code\":\"unavailable\"");
	ck_assert_int_eq(c->close_code, 0);
	teardown();
}
END_TEST

START_TEST(an_unconfirmed_publish_times_out_once)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("7");
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":1}");
	advance(9999);
	ck_assert_str_eq(c->out, "");
	advance(1);
	expect_out(c, "{\"op\":\"error\",\"ref\":1,\"code\":\"unavailable\"");
	answer_publish(BUS_CONFIRMED);
	ck_assert_str_eq(c->out, "");
	teardown();
}
END_TEST

START_TEST(a_session_that_left_is_not_answered)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("7");
	fake_bus.publish_room = 1;
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":1}");
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":2,\"ref\":2}");
	hang_up(c);
	answer_publish(BUS_CONFIRMED);
	ck_assert_uint_eq(fake_bus.n_publications, 0); /* the parked one went with it */
	teardown();
}
END_TEST

START_TEST(messages_reach_members_and_strays_are_told_apart)
{
	struct message m = {.body = STR("{}"), .id = STR("i1"), .from = STR("9")};
	setup();
	bus_goes(BUS_UP, true);
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
	ck_assert_int_eq(fake_bus.settled[0], BUS_ACCEPTED);
	ck_assert_int_eq(fake_bus.settled[1], BUS_STRAY);
	ck_assert_int_eq(fake_bus.settled[2], BUS_REJECTED);
	teardown();
}
END_TEST

START_TEST(echo_false_skips_the_sender_only)
{
	setup();
	bus_goes(BUS_UP, true);
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
	bus_goes(BUS_UP, true);
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
	bus_goes(BUS_UP, true);
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
	bus_goes(BUS_UP, true);
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
	bus_goes(BUS_UP, true);
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

START_TEST(endless_bad_requests_end_in_4005)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("42");
	for (int i = 0; i < 100; i++) {
		say(c, "nonsense");
		expect_out(c, "bad_json");
	}
	ck_assert_int_eq(c->close_code, 0);
	say(c, "nonsense");
	ck_assert_int_eq(c->close_code, CLOSE_ABUSE);
	teardown();
}
END_TEST

START_TEST(draining_says_bye_to_all_and_to_newcomers)
{
	const char *why;
	setup();
	bus_goes(BUS_UP, true);
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

START_TEST(after_lost_bindings_all_that_is_present_is_bound_again)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("42");
	say(c, "{\"op\":\"join\",\"room\":\"r\"}");
	answer_bind(BUS_BIND_OK);
	bus_goes(BUS_DOWN, false);
	bus_goes(BUS_UP, false);
	ck_assert_uint_eq(fake_bus.n_binds, 0);
	bus_goes(BUS_DOWN, false);
	bus_goes(BUS_UP, true);
	ck_assert_uint_eq(fake_bus.n_binds, 2);
	ck_assert_str_eq(fake_bus.binds[0].text, "user.42");
	ck_assert_str_eq(fake_bus.binds[1].text, "room.r");
	teardown();
}
END_TEST

START_TEST(unbinds_are_paced)
{
	setup();
	bus_goes(BUS_UP, true);
	config.linger.unbind_rate = 10;
	for (int i = 0; i < 30; i++) {
		char user[8];
		snprintf(user, sizeof(user), "u%d", i);
		hang_up(welcomed(user));
	}
	advance(2000); /* lingers end; a second's worth has been saved up */
	ck_assert_uint_eq(fake_bus.n_unbinds, 10);
	advance(500);
	ck_assert_uint_eq(fake_bus.n_unbinds, 15);
	advance(1000);
	advance(1000);
	ck_assert_uint_eq(fake_bus.n_unbinds, 30);
	teardown();
}
END_TEST

START_TEST(ping_answers_with_the_time)
{
	setup();
	bus_goes(BUS_UP, true);
	struct fake_conn *c = welcomed("42");
	say(c, "{\"op\":\"ping\"}");
	expect_out(c, "{\"op\":\"ok\",\"ts\":1790000000000}");
	say(c, "{\"op\":\"ping\",\"ref\":1.5e3}");
	expect_out(c, "{\"op\":\"ok\",\"ref\":1.5e3,\"ts\":1790000000000}");
	teardown();
}
END_TEST

CHECK_MAIN("core.hub", welcome_waits_for_the_users_key, a_second_session_of_a_user_is_welcome_at_once,
           before_the_bus_was_ever_up_clients_are_sent_away, while_the_bus_is_down_welcome_says_not_bound,
           a_link_lost_before_the_answer_does_not_keep_anybody_waiting, no_or_bad_names_are_unauthorized,
           join_is_answered_after_the_binding_and_before_any_push, join_again_is_ok_again_and_the_limit_holds,
           asking_for_a_room_again_and_again_does_not_pile_up, leave_before_the_join_was_done_answers_both,
           a_refused_bind_is_an_error_to_that_joiner_alone, publish_is_answered_when_confirmed_with_the_id_that_travels,
           bad_publishes_are_named, a_full_window_stops_reading_and_nothing_is_lost_or_reordered,
           while_down_or_blocked_publish_is_unavailable, an_unconfirmed_publish_times_out_once,
           a_session_that_left_is_not_answered, messages_reach_members_and_strays_are_told_apart,
           echo_false_skips_the_sender_only, an_expired_delivery_goes_to_nobody,
           a_client_that_does_not_read_is_closed_and_the_others_miss_nothing,
           a_burst_larger_than_the_queue_does_not_make_a_client_slow, what_no_queue_can_hold_closes_nobody,
           endless_bad_requests_end_in_4005, draining_says_bye_to_all_and_to_newcomers,
           after_lost_bindings_all_that_is_present_is_bound_again, unbinds_are_paced, ping_answers_with_the_time)
