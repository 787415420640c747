#include "fake_grid.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

struct node nodes[NODES];
size_t disorder;
unsigned wakes;
struct bus_config grid_config;

/* --- a node, as core would be --------------------------------------------------------------------------------- */

static void node_message(void *ctx, struct bus_delivery *const *batch, size_t n)
{
	struct node *node = ctx;
	int me = (int)(node - nodes);

	for (size_t i = 0; i < n; i++) {
		struct bus_delivery *d = batch[i];
		const struct msgbuf *frame = d->targets[0].frame;
		const char *data = memmem(frame->data, frame->len, "\"data\":", strlen("\"data\":"));
		MUST(data, "no data in a frame");
		int record = atoi(data + strlen("\"data\":"));
		struct message_record *m = &messages[record];
		MUST(m->got[me]++ == 0, "n%d got message %d twice, seed %ju", me, record, (uintmax_t)grid_seed);
		int64_t *last = &node->last[m->from][m->key];
		const struct member *member = &node->members[m->key];
		bool was_there = member->has == YES && member->since_ms <= m->accepted_ms;
		disorder += was_there && record < *last;
		if (record > *last)
			*last = record;
		if (grid_now - m->accepted_ms > node->gap_ms)
			node->gap_ms = grid_now - m->accepted_ms;
		if (m->key == USER_KEY && !node->members[m->key].wanted)
			m->offline++; /* a stray: its driver hands it over */
		bus_settle(node->bus, d, node->members[m->key].wanted ? BUS_ACCEPTED : BUS_STRAY);
	}
}

static void node_bound(void *ctx, const struct key *key, enum bus_bind_result result)
{
	struct node *node = ctx;
	struct member *m = &node->members[key_index(key)];

	MUST(m->asked == 1, "an answer that nobody asked for");
	MUST(node->state != BUS_DOWN, "an answer while it is down");
	m->asked = 0;
	if (m->has == ASKED && result == BUS_BIND_OK) {
		m->has = YES;
		m->since_ms = grid_now;
	} else {
		m->has = NO;
	}
}

static void node_published(void *ctx, struct bus_publication *publication, enum bus_publish_result result)
{
	struct node *node = ctx;
	struct message_record *m = &messages[record_of(&publication->message)];

	MUST(m->result == -1, "answered twice");
	MUST(node->state != BUS_DOWN, "an answer while it is down");
	m->result = (int)result;
	bus_publication_free(publication);
}

static void node_state(void *ctx, enum bus_state state, enum bus_bindings bindings)
{
	struct node *node = ctx;

	ck_assert_int_ne(node->state, state);
	node->state = state;
	for (int i = 0; i < KEYS; i++) {
		if (state == BUS_DOWN) {
			ck_assert_int_eq(node->members[i].asked, 0);
			node->members[i].since_ms = UINT64_MAX; /* cut off from all: nothing is promised */
		} else if (bindings == BUS_BINDINGS_LOST) {
			node->members[i].has = NO;
		}
	}
}

static void node_restored(void *ctx, const struct key *key)
{
	struct node *node = ctx;
	ck_assert_int_eq(node->state, BUS_DOWN);
	node->members[key_index(key)].has = YES;
}

static void node_fatal(void *ctx, const char *what)
{
	(void)what;
	((struct node *)ctx)->fatal = true;
}

static void count_wake(void *arg)
{
	(void)arg;
	wakes++;
}

static const struct bus_upcalls node_upcalls = {
    .message = node_message,
    .bound = node_bound,
    .restored = node_restored,
    .published = node_published,
    .state = node_state,
    .fatal = node_fatal,
};

static void node_ask(struct node *node)
{
	for (int i = 0; i < KEYS; i++) {
		struct member *m = &node->members[i];
		if (m->asked || m->wanted == (m->has == YES))
			continue;
		if ((m->wanted ? bus_bind(node->bus, &keys[i]) : bus_unbind(node->bus, &keys[i])) != 0)
			continue;
		m->asked = 1;
		m->has = m->wanted ? ASKED : LEAVING;
		m->since_ms = UINT64_MAX;
	}
}

/* --- the grid -------------------------------------------------------------------------------------------------------
 */

static void grid_open_node(int i)
{
	static struct bus_driver driver;
	struct node *node = &nodes[i];

	driver = bus_failover_driver;
	driver.open = open_on_fakes;
	snprintf(node->id, sizeof(node->id), "n%d", i);
	const struct bus_env env = {.upcalls = &node_upcalls,
	                            .ctx = node,
	                            .wake = count_wake,
	                            .node_id = node->id,
	                            .epoch = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
	                            .metrics = &node->metrics};
	for (int key = 0; key < KEYS; key++)
		for (int from = 0; from < NODES; from++)
			node->last[from][key] = -1;
	ck_assert_int_eq(bus_open_driver(&driver, NULL, &grid_config, &env, &node->bus), 0);
}

void grid_open(uint64_t seed)
{
	log_set_level(getenv("GRID_TEST_LOG") ? LOG_LEVEL_DEBUG : (enum log_level) - 1);
	world_init(seed);
	brokers_init();
	disorder = 0;
	memset(nodes, 0, sizeof(nodes));
	grid_config = (struct bus_config){.publish_window = 64,
	                                  .confirm_timeout = 1500,
	                                  .replay_window = 10000,
	                                  .replay_bytes = 1 << 24,
	                                  .seen_window = 120000,
	                                  .seen_messages = 65536};
	for (int i = 0; i < NODES; i++)
		grid_open_node(i);
}

void grid_step(void)
{
	grid_now += STEP_MS;
	for (int side = 0; side < SIDES; side++)
		for (int i = 0; i < NODES; i++)
			link_step(link_of((enum side)side, i));
	for (int i = 0; i < NODES; i++) {
		bus_turn(nodes[i].bus, grid_now);
		node_ask(&nodes[i]);
	}
}

void grid_run(uint64_t ms)
{
	for (uint64_t until = grid_now + ms; grid_now < until;)
		grid_step();
}

int publish(int from, int key)
{
	char body[32], id[32], who[8];
	int record = (int)n_messages;

	MUST(n_messages < MESSAGES_MAX, "too many messages");
	snprintf(body, sizeof(body), "%d", record);
	snprintf(id, sizeof(id), "id-%d", record);
	snprintf(who, sizeof(who), "u%d", from);
	char origin[64];
	snprintf(origin, sizeof(origin), "n%d.01ARZ3NDEKTSV4RRFFQ69G5FAV", from);
	const struct message m = {
	    .id = str_from(id), .from = str_from(who), .origin = str_from(origin), .body = str_from(body)};
	struct bus_publication *p = bus_publication_new(&keys[key], &m, NULL);
	messages[record] = (struct message_record){.from = from, .key = key, .accepted_ms = grid_now, .result = -1};
	n_messages++;
	if (bus_publish(nodes[from].bus, p) != 0) {
		bus_publication_free(p);
		n_messages--;
		return -1;
	}
	return record;
}

const char *route(int node)
{
	return bus_route(nodes[node].bus);
}

bool all_on(const char *word)
{
	for (int i = 0; i < NODES; i++)
		if (strcmp(route(i), word) != 0)
			return false;
	return true;
}

void grid_up(uint64_t seed)
{
	grid_open(seed);
	for (int i = 0; i < NODES; i++)
		nodes[i].members[0].wanted = nodes[i].members[1].wanted = true;
	RUN_UNTIL(all_on("primary") && nodes[0].members[1].has == YES && nodes[1].members[1].has == YES &&
	              nodes[2].members[1].has == YES,
	          20000);
	grid_run(1000);
}

void grid_check(void)
{
	for (size_t i = 0; i < n_messages; i++) {
		const struct message_record *m = &messages[i];
		MUST(m->result >= 0, "message %zu was never answered", i);
		if (m->result == BUS_FAILED)
			continue;
		for (int n = 0; n < NODES; n++) {
			const struct member *member = &nodes[n].members[m->key];
			if (member->has == YES && member->since_ms <= m->accepted_ms)
				MUST(m->got[n] == 1, "n%d never got message %zu of n%d to key %d, of %ju, now %ju", n, i, m->from,
				     m->key, (uintmax_t)m->accepted_ms, (uintmax_t)grid_now);
		}
		if (m->key == USER_KEY)
			MUST(m->got[0] + m->got[1] + m->got[2] + m->offline > 0, "message %zu to the user is nowhere", i);
	}
}

void grid_close(void)
{
	for (int i = 0; i < NODES; i++)
		bus_close(nodes[i].bus);
	brokers_deinit();
}

uint64_t grid_metric(int node, const char *line_start)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	metrics_render(&nodes[node].metrics, &out);
	buf_putc(&out, '\0');
	char *at = strstr(out.p, line_start);
	while (at && at != out.p && at[-1] != '\n')
		at = strstr(at + 1, line_start);
	ck_assert_msg(at, "no metric %s", line_start);
	return strtoull(at + strlen(line_start), NULL, 10);
}
