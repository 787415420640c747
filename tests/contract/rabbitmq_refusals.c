/* A broker that says no: to a bind, or to publishing. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rabbitmq_common.h"

START_TEST(a_refused_bind_is_refused_alone)
{
	ctl("-q set_topic_permissions -p %s %s grid.rooms '.*' '^room\\.(open|settle).*$'", target.vhost, target.user);
	struct node *n = node_up("a", NULL);
	static const char *const names[] = {"open.1", "shut.1", "open.2", "open.3", "shut.2", "shut.3", "open.4"};

	for (size_t i = 0; i < GRID_ARRAY_LEN(names); i++) {
		struct key key = room_key(names[i]);
		ck_assert_int_eq(bus_bind(n->bus, &key), 0);
	}
	WAIT_FOR(n->bound.n == GRID_ARRAY_LEN(names));
	for (size_t i = 0; i < GRID_ARRAY_LEN(names); i++) {
		struct key key = room_key(names[i]);
		ck_assert_str_eq(n->bound.p[i].key.text, key.text);
		ck_assert_int_eq(n->bound.p[i].result, names[i][0] == 'o' ? BUS_BIND_OK : BUS_BIND_REFUSED);
	}
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 0);
	node_publish(n, room_key("open.4"), "1", 1);
	WAIT_FOR(n->messages.n == 1);
	restore_broker();
	node_close(n);
}
END_TEST

START_TEST(a_blocked_broker_blocks_publishing_only)
{
	struct node *n = node_up("a", NULL);
	struct key room = room_key("blocked"), other = room_key("blocked.other");
	uintptr_t token = 1;

	node_bind(n, room);
	ctl("-q set_vm_memory_high_watermark absolute 1");
	/* The broker tells a connection that publishes. */
	WAIT_FOR(node_state(n) == BUS_BLOCKED || (node_publish(n, room, "1", token++), false));
	struct bus_publication *p = bus_publication_new(&room, &(struct message){.body = STR("1")}, NULL);
	ck_assert_int_eq(bus_publish(n->bus, p), BUS_E_UNAVAILABLE);
	bus_publication_free(p);
	node_bind(n, other);
	ck_assert_int_eq(node_state(n), BUS_BLOCKED);

	/* A node that comes while it is blocked takes deliveries at once. */
	struct node *late = node_open("late", NULL);
	WAIT_FOR(node_state(late) == BUS_BLOCKED);
	ck_assert_int_eq(late->states.p[0].bindings, BUS_BINDINGS_LOST);
	node_bind(late, other);

	ctl("-q set_vm_memory_high_watermark 0.6");
	WAIT_FOR(node_state(n) == BUS_UP && node_state(late) == BUS_UP);
	ck_assert_uint_eq(node_states(n, BUS_DOWN), 0);
	WAIT_FOR(n->published.n == token - 1);
	node_publish(n, other, "\"after\"", token);
	WAIT_FOR(node_messages(n, &other, "after") == 1 && node_messages(late, &other, "after") == 1);
	node_close(n);
	node_close(late);
}
END_TEST

static bool broker_blocks_somebody(void)
{
	char line[64];
	ctl_line("blocked", line, sizeof(line), "-q list_connections state");
	return line[0];
}

/* Whoever waits for them is told that they did not go: so they do not go when the broker reads again. */
START_TEST(what_was_not_sent_when_it_blocks_is_given_up)
{
	enum { N = 10 };
	struct node *n = node_up("a", NULL);
	struct key room = room_key("given.up");
	uint64_t until = harness_now() + DEADLINE_MS;

	node_bind(n, room);
	ctl("-q set_vm_memory_high_watermark absolute 1");
	node_publish(n, room, "0", 0);
	harness_turn();
	while (!broker_blocks_somebody()) /* what says so is under way, and read no sooner than in the next turn */
		ck_assert(harness_now() < until);
	ck_assert_int_eq(node_state(n), BUS_UP);
	for (uintptr_t token = 1; token <= N; token++)
		node_publish(n, room, "\"unsent\"", token);
	WAIT_FOR(node_state(n) == BUS_BLOCKED);
	ctl("-q set_vm_memory_high_watermark 0.6");
	WAIT_FOR(node_state(n) == BUS_UP);
	node_publish(n, room, "\"after\"", N + 1);
	WAIT_FOR(node_messages(n, &room, "after") == 1);
	ck_assert_uint_eq(node_messages(n, &room, "unsent"), 0);
	for (uintptr_t token = 1; token <= N; token++)
		ck_assert_int_eq(node_result(n, token), BUS_FAILED);
	node_close(n);
}
END_TEST

START_TEST(close_while_blocked)
{
	struct node *n = node_up("a", NULL);
	uintptr_t token = 1;

	ctl("-q set_vm_memory_high_watermark absolute 1");
	WAIT_FOR(node_state(n) == BUS_BLOCKED || (node_publish(n, room_key("x"), "1", token++), false));
	uint64_t before = harness_now();
	node_close(n);
	ck_assert_uint_le(harness_now() - before, 5000);
	restore_broker();
}
END_TEST

void rabbitmq_refusals_add(Suite *suite)
{
	const TTest *const tests[] = {
	    a_refused_bind_is_refused_alone,
	    a_blocked_broker_blocks_publishing_only,
	    what_was_not_sent_when_it_blocks_is_given_up,
	    close_while_blocked,
	};

	tcase_add_unchecked_fixture(add_case(suite, "refusals", tests, GRID_ARRAY_LEN(tests)), NULL, restore_broker);
}
