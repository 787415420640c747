/* Links that are lent to the loop: what comes alone wakes no thread, and what may have to be waited for never holds up
 * the loop. And what comes in crowds goes out together. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/rabbitmq/setup.h"
#include "rabbitmq_common.h"

/* How often this thread of ours has fallen asleep. */
static unsigned long sleeps_of(const char *tid)
{
	static const char what[] = "voluntary_ctxt_switches:";
	char path[64], line[256];
	unsigned long sleeps = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", tid);
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, what, sizeof(what) - 1) == 0)
			sleeps = strtoul(line + sizeof(what) - 1, NULL, 10);
	fclose(file);
	return sleeps;
}

static unsigned long sleeps_of_link_threads(void)
{
	unsigned long sum = 0;
	DIR *dir = opendir("/proc/self/task");

	ck_assert_ptr_nonnull(dir);
	for (const struct dirent *task; (task = readdir(dir));)
		if (task->d_name[0] != '.' && strtol(task->d_name, NULL, 10) != getpid())
			sum += sleeps_of(task->d_name);
	closedir(dir);
	return sum;
}

static void publish_alone(struct node *n, struct key key, uintptr_t token)
{
	size_t before = n->messages.n;

	ck_assert_int_eq(node_publish_wait(n, key, "1", token), BUS_CONFIRMED);
	WAIT_FOR(n->messages.n == before + 1);
}

START_TEST(what_comes_alone_wakes_no_thread)
{
	enum { N = 50 };
	struct node *n = node_up("a", NULL);
	struct key room = room_key("alone"), user = user_key("alone");

	node_bind(n, room);
	node_bind(n, user);
	publish_alone(n, room, 1000);
	publish_alone(n, user, 1001);
	unsigned long before = sleeps_of_link_threads();
	for (uintptr_t i = 0; i < N; i++)
		publish_alone(n, i % 2 ? room : user, i);
	/* Two for each, when they are woken; what comes now and then (a hello) may. */
	ck_assert_uint_le(sleeps_of_link_threads() - before, N / 10);
	node_close(n);
}
END_TEST

/* As much as it takes to fill what the kernel keeps for a connection. */
static char *large_body(size_t bytes)
{
	char *body = malloc(bytes + 1);

	ck_assert_ptr_nonnull(body);
	memset(body, 'x', bytes);
	body[0] = body[bytes - 1] = '"';
	body[bytes] = '\0';
	return body;
}

START_TEST(what_the_socket_has_no_room_for_goes_nevertheless)
{
	struct node *n = node_up("a", "bus.rabbitmq.max_body=16777216");
	struct key room = room_key("large");
	char *body = large_body((size_t)8 << 20);

	node_bind(n, room);
	for (uintptr_t i = 0; i < 4; i++) {
		node_publish(n, room, body, 2 * i);
		node_publish(n, room, "1", 2 * i + 1);
	}
	WAIT_FOR(n->messages.n == 8);
	for (size_t i = 0; i < 8; i++) /* in order */
		ck_assert_int_eq(strlen(n->messages.p[i].frame) > 1 << 20, i % 2 == 0);
	free(body);
	node_close(n);
}
END_TEST

/* Then the thread of the publisher waits, and the loop goes on. */
START_TEST(a_broker_that_does_not_read_does_not_hold_up_the_loop)
{
	enum { N = 100, PATIENCE_MS = 2000 }; /* much less than the 10 s until the kernel gives the link up */
	struct node *n = node_behind_proxy_with("a", "bus.rabbitmq.heartbeat=5s");
	struct key room = room_key("frozen");
	char *body = large_body((size_t)256 << 10);

	node_bind(n, room);
	publish_alone(n, room, N);
	proxy_freeze(proxy, true);
	for (uintptr_t i = 0; i < N; i++) {
		uint64_t before = harness_now();
		struct bus_publication *p = bus_publication_new(&room, &(struct message){.body = str_from(body)}, (void *)i);
		ck_assert_ptr_nonnull(p);
		if (bus_publish(n->bus, p) != 0)
			bus_publication_free(p);
		harness_turn();
		ck_assert_uint_lt(harness_now() - before, PATIENCE_MS);
	}
	proxy_freeze(proxy, false);
	WAIT_FOR(node_state(n) == BUS_UP && n->published.n > 0);
	free(body);
	close_behind_proxy(n);
}
END_TEST

/* It may be held for seconds, and nobody looks whether it is settled meanwhile. */
START_TEST(what_is_held_costs_no_turns)
{
	enum { FOR_MS = 300, TURNS_MAX = 60 }; /* 15 in which nothing comes, and some for heartbeats */
	struct node *n = node_up("a", NULL);
	struct key room = room_key("held");
	unsigned turns = 0;

	node_bind(n, room);
	publish_alone(n, room, 10);
	for (int i = 0; i < 5; i++)
		harness_turn(); /* that is acknowledged, and the loop has the link */
	n->hold = true;
	ck_assert_int_eq(node_publish_wait(n, room, "1", 1), BUS_CONFIRMED);
	WAIT_FOR(n->held.n == 1);
	for (uint64_t until = harness_now() + FOR_MS; harness_now() < until; turns++)
		harness_turn();
	ck_assert_uint_lt(turns, TURNS_MAX);
	bus_settle(n->bus, n->held.p[0], BUS_ACCEPTED);
	node_close(n);
}
END_TEST

/* Later than what comes is looked at once more for its settling, and nothing else goes on: it is not left to a timer.
 */
START_TEST(what_was_held_is_acknowledged_at_once)
{
	enum { TIMES = 10, FOR_MS = 30 };
	struct node *n = node_up("a", NULL);
	struct key room = room_key("held");

	node_bind(n, room);
	n->hold = true;
	for (uintptr_t i = 1; i <= TIMES; i++) {
		ck_assert_int_eq(node_publish_wait(n, room, "1", i), BUS_CONFIRMED);
		WAIT_FOR(n->held.n == i);
		uint64_t until = harness_now() + FOR_MS, began;
		do {
			began = harness_now();
			harness_turn();
		} while (began < until || harness_turn_wanted());
		bus_settle(n->bus, n->held.p[i - 1], BUS_ACCEPTED);
		ck_assert_msg(harness_turn_wanted(), "the %zuth time", (size_t)i);
	}
	node_close(n);
}
END_TEST

/* Binds as many as are taken now, which continues `bound` names; how many that were. */
static int bind_until_busy(struct node *n, int *bound)
{
	int taken = 0;

	for (;; taken++) {
		char name[32];
		snprintf(name, sizeof(name), "crowd.%d", *bound);
		struct key key = room_key(name);
		int rc = bus_bind(n->bus, &key);
		if (rc == BUS_E_BUSY)
			return taken;
		ck_assert_int_eq(rc, 0);
		++*bound;
	}
}

START_TEST(binds_of_a_crowd_go_out_together)
{
	struct node *n = node_up("a", NULL);
	int asked = 0, more = 0;

	ck_assert_int_eq(bind_until_busy(n, &asked), OPS_MAX);
	WAIT_FOR((more = bind_until_busy(n, &asked)) > 0);
	ck_assert_int_ge(more, OPS_REFILL);
	WAIT_FOR(n->bound.n == (size_t)asked);
	ck_assert_int_eq(bind_until_busy(n, &asked), OPS_MAX); /* and nothing is left of that */
	WAIT_FOR(n->bound.n == (size_t)asked);
	for (int i = 0; i < asked; i++)
		ck_assert_int_eq(n->bound.p[i].result, BUS_BIND_OK);
	node_close(n);
}
END_TEST

void rabbitmq_lent_add(Suite *suite)
{
	const TTest *const tests[] = {
	    what_comes_alone_wakes_no_thread,
	    what_the_socket_has_no_room_for_goes_nevertheless,
	    a_broker_that_does_not_read_does_not_hold_up_the_loop,
	    what_is_held_costs_no_turns,
	    what_was_held_is_acknowledged_at_once,
	    binds_of_a_crowd_go_out_together,
	};

	add_case(suite, "lent", tests, GRID_ARRAY_LEN(tests));
}
