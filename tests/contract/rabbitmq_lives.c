/* From start to up: what an earlier life left behind, an id in use, a broker that is not ready. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "rabbitmq_common.h"

START_TEST(a_new_life_starts_clean)
{
	struct node *n = node_up("again", NULL);
	struct key room = room_key("old"), user = user_key("old");

	node_bind(n, room);
	node_bind(n, user);
	node_close(n);
	for (int i = 0; i < 50; i++) {
		backend_publish(backend, "grid.users", "user.old",
		                &(struct backend_message){.body = "1", .message_id = "left"});
		backend_publish(backend, "grid.rooms", "room.old", &(struct backend_message){.body = "2"});
	}
	n = node_up("again", "bus.rabbitmq.prefetch=16");
	ck_assert_int_eq(n->states.p[0].bindings, BUS_BINDINGS_LOST);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_queue_resets_total"), 1);
	ck_assert_int_eq(backend_ready(backend, OFFLINE), 50);
	ck_assert_str_eq(offline().message_id, "left");
	backend_publish(backend, "grid.rooms", "room.old", &(struct backend_message){.body = "3"});
	ck_assert_int_eq(node_publish_wait(n, user, "4", 1), BUS_UNROUTED);
	node_settle_down(n);
	ck_assert_uint_eq(n->messages.n, 1); /* settle_down's */
	node_close(n);
}
END_TEST

/* Messages keep coming for a key that only the earlier life bound: whatever is done about the queue, none is lost. */
START_TEST(a_new_life_under_fire_loses_nothing)
{
	enum { N = 3000 };
	struct node *n = node_up("again", NULL);
	struct key user = user_key("old");
	int sent = 0;

	node_bind(n, user);
	node_close(n);
	for (; sent < N / 2; sent++)
		backend_publish(backend, "grid.users", "user.old", &(struct backend_message){.body = "1"});
	n = node_open("again", NULL);
	n->how = BUS_STRAY;
	for (; sent < N; sent++) {
		backend_publish(backend, "grid.users", "user.old", &(struct backend_message){.body = "1"});
		if (sent % 8 == 0)
			harness_turn();
	}
	WAIT_FOR_MS(node_state(n) == BUS_UP, 60000);
	node_settle_down(n);
	WAIT_FOR(node_metric(n, "grid_rabbitmq_strays_waiting") == 0);
	ck_assert_int_ge(backend_ready(backend, OFFLINE), N);
	node_close(n);
}
END_TEST

/* A folder for the journals of a test; the last thing in it is close_state_dir(). */
static char state_dir[64];

static void open_state_dir(void)
{
	strcpy(state_dir, "/tmp/grid-contract.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(state_dir));
	target.state_dir = state_dir;
}

static void close_state_dir(const char *queue)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s.journal", state_dir, queue);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(state_dir), 0);
}

START_TEST(a_new_life_takes_over_what_the_journal_knows)
{
	enum { ROOMS = 600 };
	char name[32], queue[128];

	open_state_dir();
	struct node *n = node_up("warm", NULL);
	struct key user = user_key("warm"), room = room_key("0");
	snprintf(queue, sizeof(queue), "%s", queue_of(n));
	node_bind(n, user);
	for (int i = 0; i < ROOMS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		struct key key = room_key(name);
		WAIT_FOR(bus_bind(n->bus, &key) == 0);
	}
	WAIT_FOR(n->bound.n == 1 + ROOMS);
	node_close(n);
	backend_publish(backend, "grid.users", "user.warm", &(struct backend_message){.body = "\"kept\""});

	n = node_up("warm", NULL);
	ck_assert_uint_eq(n->restored.n, 1 + ROOMS);
	ck_assert_int_eq(n->states.p[0].bindings, BUS_BINDINGS_UNSURE);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_queue_resets_total"), 0);
	WAIT_FOR(node_messages(n, &user, "kept") == 1);
	node_publish(n, room, "\"still\"", 1);
	WAIT_FOR(node_messages(n, &room, "still") == 1);
	node_unbind(n, room);
	node_settle_down(n);
	node_close(n);

	n = node_up("warm", NULL); /* settle-down is unbound again, and so is the room */
	ck_assert_uint_eq(n->restored.n, ROOMS);
	node_close(n);
	close_state_dir(queue);
}
END_TEST

START_TEST(a_journal_is_not_believed_when_the_queue_is_another)
{
	char queue[128];

	open_state_dir();
	struct node *n = node_up("bare", NULL);
	struct key room = room_key("old");
	snprintf(queue, sizeof(queue), "%s", queue_of(n));
	node_bind(n, room);
	node_close(n);
	backend_delete_queue(backend, queue);
	backend_declare_queue(backend, queue, false);

	n = node_up("bare", NULL);
	ck_assert_uint_eq(n->restored.n, 1);
	ck_assert_int_eq(n->states.p[0].bindings, BUS_BINDINGS_LOST);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_loopbacks_returned_total"), 1);
	ck_assert_uint_eq(node_metric(n, "grid_rabbitmq_queue_resets_total"), 1);
	backend_publish(backend, "grid.rooms", "room.old", &(struct backend_message){.body = "1"});
	node_settle_down(n);
	ck_assert_uint_eq(node_messages(n, &room, NULL), 0);
	node_bind(n, room);
	node_close(n);

	n = node_up("bare", NULL);
	ck_assert_uint_eq(n->restored.n, 1);
	ck_assert_int_eq(n->states.p[0].bindings, BUS_BINDINGS_UNSURE);
	node_close(n);
	close_state_dir(queue);
}
END_TEST

START_TEST(an_id_in_use_is_fatal_and_changes_nothing)
{
	struct node *first = node_up("twin", "bus.rabbitmq.heartbeat=1s");
	struct key room = room_key("mine");
	node_bind(first, room);
	struct node *second = node_open("twin", "bus.rabbitmq.heartbeat=1s");
	WAIT_FOR(second->fatal[0]);
	ck_assert_ptr_nonnull(strstr(second->fatal, "is taken"));
	ck_assert_uint_eq(second->states.n, 0);
	node_close(second);
	node_publish(first, room, "1", 1);
	WAIT_FOR(node_messages(first, &room, NULL) == 1);
	ck_assert_uint_eq(node_states(first, BUS_DOWN), 0);
	node_close(first);
}
END_TEST

START_TEST(an_id_that_becomes_free_is_taken_over)
{
	struct node *ghost = node_up("ghost", NULL), *heir = node_open("ghost", "bus.rabbitmq.heartbeat=5s");
	WAIT_FOR(node_metric(heir, "grid_rabbitmq_connects_total{link=\"consumer\"}") == 1);
	uint64_t until = harness_now() + 300;
	WAIT_FOR(harness_now() >= until);
	ck_assert_uint_eq(heir->states.n, 0);
	node_close(ghost);
	WAIT_FOR(node_state(heir) == BUS_UP);
	node_settle_down(heir);
	node_close(heir);
}
END_TEST

START_TEST(a_missing_topology_is_fatal)
{
	struct node *n = node_open("a", "bus.prefix=nogrid");
	char want[256];
	WAIT_FOR(n->fatal[0]);
	snprintf(want, sizeof(want),
	         "exchange \"nogrid.users\" is missing in vhost \"%s\": run scripts/provision --url http://127.0.0.1:15672 "
	         "--vhost %s --prefix nogrid",
	         target.vhost, target.vhost);
	ck_assert_str_eq(n->fatal, want);
	node_close(n);
}
END_TEST

START_TEST(an_unreachable_broker_is_waited_for)
{
	const char *address;
	proxy = proxy_open(target.address, &address);
	proxy_refuse(proxy, true);
	char set[256];
	snprintf(set, sizeof(set),
	         "bus.rabbitmq.addresses=127.0.0.1:1,%s;bus.rabbitmq.reconnect_min=20ms;bus.rabbitmq.reconnect_max=50ms",
	         address);
	struct node *n = node_open("a", set);
	WAIT_FOR(node_metric(n, "grid_rabbitmq_connect_failures_total{link=\"consumer\"}") >= 6);
	ck_assert_uint_eq(n->states.n, 0);
	proxy_refuse(proxy, false);
	WAIT_FOR(node_state(n) == BUS_UP);
	close_behind_proxy(n);
}
END_TEST

START_TEST(a_queue_with_other_arguments_is_mended_or_used)
{
	struct node *n = node_up("odd", NULL);
	char name[128];
	snprintf(name, sizeof(name), "%s", queue_of(n));
	node_close(n);
	backend_delete_queue(backend, name);
	backend_declare_queue(backend, name, false);
	n = node_up("odd", NULL);
	node_settle_down(n);
	node_close(n);
}
END_TEST

START_TEST(the_exclusive_mode_works_too)
{
	struct node *n = node_behind_proxy("excl");
	close_behind_proxy(n);
	const char *address;
	char set[256], name[128];
	proxy = proxy_open(target.address, &address);
	snprintf(set, sizeof(set), "bus.rabbitmq.addresses=%s;bus.rabbitmq.queue=exclusive;bus.rabbitmq.reconnect_min=50ms",
	         address);
	n = node_up("excl", set); /* the durable one of before gives way */
	snprintf(name, sizeof(name), "%s", queue_of(n));
	node_settle_down(n);
	proxy_cut(proxy, NULL);
	ck_assert_int_eq(wait_up_again(n, 1).bindings, BUS_BINDINGS_LOST);
	node_settle_down(n);
	close_behind_proxy(n);
	WAIT_FOR(backend_ready(backend, name) == -1);
}
END_TEST

void rabbitmq_lives_add(Suite *suite)
{
	const TTest *const tests[] = {
	    a_new_life_starts_clean,
	    a_new_life_under_fire_loses_nothing,
	    a_new_life_takes_over_what_the_journal_knows,
	    a_journal_is_not_believed_when_the_queue_is_another,
	    an_id_in_use_is_fatal_and_changes_nothing,
	    an_id_that_becomes_free_is_taken_over,
	    a_missing_topology_is_fatal,
	    an_unreachable_broker_is_waited_for,
	    a_queue_with_other_arguments_is_mended_or_used,
	    the_exclusive_mode_works_too,
	};

	add_case(suite, "earlier_lives", tests, GRID_ARRAY_LEN(tests));
}
