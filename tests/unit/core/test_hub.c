/* The rules of the service, one by one, with a fake bus and a fake transport. */
#include "core/topics.h"
#include "fakes.h"

START_TEST(welcome_waits_for_the_users_key)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	bus_goes(BUS_DOWN, BUS_BINDINGS_KEPT);
	expect_out(connect_as("42"), "\"bound\":false}");
	teardown();
}
END_TEST

START_TEST(a_link_lost_before_the_answer_does_not_keep_anybody_waiting)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *ready = welcomed("1"), *opening = connect_as("2");
	say(ready, "{\"op\":\"join\",\"room\":\"r\",\"ref\":7}");
	fake_bus.state = BUS_DOWN; /* the outcomes come before the state */
	answer_bind(BUS_BIND_LOST);
	answer_bind(BUS_BIND_LOST);
	bus_goes(BUS_DOWN, BUS_BINDINGS_KEPT);
	expect_out(opening, "\"bound\":false}");
	expect_out(ready, "{\"op\":\"error\",\"ref\":7,\"code\":\"unavailable\"");
	bus_goes(BUS_UP, BUS_BINDINGS_KEPT);
	advance(100);
	ck_assert_uint_eq(fake_bus.n_binds, 2); /* user.2 is bound; room.r, of whom nobody knows, unbound */
	teardown();
}
END_TEST

START_TEST(no_or_bad_names_are_unauthorized)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("7");
	fake_bus.publish_room = 1;
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":0}"); /* under way */
	say(c, "{\"op\":\"publish\",\"room\":\"r\",\"data\":1,\"ref\":1}"); /* parked */
	bus_goes(BUS_BLOCKED, BUS_BINDINGS_KEPT);
	ck_assert_ptr_nonnull(strstr(c->out, "{\"op\":\"error\",\"ref\":0,\"code\":\"unavailable\""));
	expect_out(c, "{\"op\":\"error\",\"ref\":1,\"code\":\"unavailable\"");
	answer_publish(BUS_CONFIRMED); /* too late to be told */
	ck_assert_str_eq(c->out, "");
	ck_assert(!c->paused);
	bus_goes(BUS_DOWN, BUS_BINDINGS_KEPT);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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

START_TEST(endless_bad_requests_end_in_4005)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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

START_TEST(after_lost_bindings_all_that_is_present_is_bound_again)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	say(c, "{\"op\":\"join\",\"room\":\"r\"}");
	answer_bind(BUS_BIND_OK);
	bus_goes(BUS_DOWN, BUS_BINDINGS_KEPT);
	bus_goes(BUS_UP, BUS_BINDINGS_KEPT);
	ck_assert_uint_eq(fake_bus.n_binds, 0);
	bus_goes(BUS_DOWN, BUS_BINDINGS_KEPT);
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	ck_assert_uint_eq(fake_bus.n_binds, 2);
	ck_assert_str_eq(fake_bus.binds[0].text, "user.42");
	ck_assert_str_eq(fake_bus.binds[1].text, "room.r");
	teardown();
}
END_TEST

static void restore(enum key_kind kind, const char *name)
{
	struct key key = key_named(kind, name);
	hub_upcalls.restored(hub, &key);
}

START_TEST(who_comes_back_after_a_restart_finds_all_bound)
{
	setup();
	restore(KEY_USER, "42");
	restore(KEY_ROOM, "r");
	bus_goes(BUS_UP, BUS_BINDINGS_KEPT);
	struct fake_conn *c = connect_as("42");
	expect_out(c, "\"op\":\"welcome\"");
	say(c, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}");
	expect_out(c, "{\"op\":\"ok\",\"ref\":1");
	advance(60000);
	ck_assert_uint_eq(fake_bus.n_binds, 0);
	teardown();
}
END_TEST

START_TEST(what_waited_for_a_user_since_the_restart_is_his)
{
	const struct message m = {.body = STR("1")};
	setup();
	restore(KEY_USER, "42");
	bus_goes(BUS_UP, BUS_BINDINGS_KEPT);
	deliver_message(KEY_USER, "42", &m);
	expect_out(connect_as("42"), "\"data\":1}");
	ck_assert_int_eq(fake_bus.settled[0], BUS_ACCEPTED);
	teardown();
}
END_TEST

START_TEST(what_nobody_comes_back_to_is_unbound_at_the_pace_of_unbinds)
{
	setup();
	config.linger.unbind_rate = 10;
	for (int i = 0; i < 15; i++) {
		char name[16];
		snprintf(name, sizeof(name), "r%d", i);
		restore(i % 2 ? KEY_USER : KEY_ROOM, name);
	}
	bus_goes(BUS_UP, BUS_BINDINGS_KEPT);
	advance(59999);
	ck_assert_uint_eq(fake_bus.n_unbinds, 0);
	advance(1);
	ck_assert_uint_eq(fake_bus.n_unbinds, 10);
	advance(500);
	ck_assert_uint_eq(fake_bus.n_unbinds, 15);
	teardown();
}
END_TEST

START_TEST(restored_and_unsure_is_bound_for_those_who_come_back)
{
	setup();
	restore(KEY_USER, "42");
	restore(KEY_ROOM, "r");
	bus_goes(BUS_UP, BUS_BINDINGS_UNSURE);
	ck_assert_uint_eq(fake_bus.n_binds, 2);
	ck_assert_uint_eq(fake_bus.n_unbinds, 0);
	teardown();
}
END_TEST

START_TEST(restored_and_then_lost_is_bound_for_those_present_only)
{
	setup();
	restore(KEY_USER, "42");
	restore(KEY_ROOM, "r");
	bus_goes(BUS_UP, BUS_BINDINGS_KEPT);
	expect_out(connect_as("42"), "\"op\":\"welcome\"");
	bus_goes(BUS_DOWN, BUS_BINDINGS_KEPT);
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	ck_assert_uint_eq(fake_bus.n_binds, 1);
	ck_assert_str_eq(fake_bus.binds[0].text, "user.42");
	ck_assert_uint_eq(fake_bus.n_unbinds, 0);
	teardown();
}
END_TEST

START_TEST(unbinds_are_paced)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	config.linger.unbind_rate = 10;
	for (int i = 0; i < 30; i++) {
		char user[16];
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

/* What the bus has in hand does not count, nor do rooms, nor who has the key already. */
START_TEST(a_crowd_is_users_who_wait_beside_what_the_bus_takes)
{
	static char users[FAKE_CROWD][8];

	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
	struct fake_conn *c = welcomed("42");
	fake_bus.bind_room = 10;
	for (int i = 0; i < 10 + 255; i++) {
		snprintf(users[i], sizeof(users[i]), "u%d", i);
		connect_as(users[i]);
	}
	say(c, "{\"op\":\"join\",\"room\":\"r\"}");
	connect_as("42");
	connect_as("u264");
	ck_assert(!hub_crowded(hub));
	connect_as("one more");
	ck_assert(hub_crowded(hub));
	answer_bind(BUS_BIND_OK);
	advance(100);
	ck_assert(!hub_crowded(hub));
	connect_as("and one more");
	ck_assert(hub_crowded(hub));
	fake_bus.state = BUS_DOWN; /* all are welcome at once */
	ck_assert(!hub_crowded(hub));
	fake_bus.state = BUS_UP;
	hub_drain(hub, now); /* and now nobody is */
	ck_assert(!hub_crowded(hub));
	fake_bus.bind_room = FAKE_MAX;
	teardown();
}
END_TEST

START_TEST(ping_answers_with_the_time)
{
	setup();
	bus_goes(BUS_UP, BUS_BINDINGS_LOST);
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
           a_session_that_left_is_not_answered, endless_bad_requests_end_in_4005,
           after_lost_bindings_all_that_is_present_is_bound_again, unbinds_are_paced,
           who_comes_back_after_a_restart_finds_all_bound, what_waited_for_a_user_since_the_restart_is_his,
           what_nobody_comes_back_to_is_unbound_at_the_pace_of_unbinds,
           restored_and_unsure_is_bound_for_those_who_come_back, restored_and_then_lost_is_bound_for_those_present_only,
           a_crowd_is_users_who_wait_beside_what_the_bus_takes, ping_answers_with_the_time)
