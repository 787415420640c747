#include "harness.h"

#include <ev.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

struct target target;

static struct node *nodes[NODES_MAX];
static int wake_fd = -1;
static struct ev_loop *loop;
static struct ev_io woken;
static struct ev_timer pause_over;

/* Room doubles at each power of two. */
#define APPEND(list, ...)                                                                                              \
	do {                                                                                                               \
		if (((list).n & ((list).n - 1)) == 0)                                                                          \
			(list).p = realloc((list).p, ((list).n ? 2 * (list).n : 1) * sizeof(*(list).p));                           \
		ck_assert_ptr_nonnull((list).p);                                                                               \
		(list).p[(list).n++] = (__VA_ARGS__);                                                                          \
	} while (0)

static const struct option_group groups[] = {
    {"bus", bus_options, 0},
    {"node", bus_node_options, offsetof(struct bus_config, node)},
    {"bus.rabbitmq", rabbitmq_options, offsetof(struct bus_config, rabbitmq)},
    {"bus.redis", redis_options, offsetof(struct bus_config, redis)},
};
static const struct option_set options = {groups, GRID_ARRAY_LEN(groups)};

uint64_t harness_now(void)
{
	return clock_mono_ms();
}

static void wake(void *arg)
{
	const uint64_t one = 1;
	ck_assert_int_eq(write(*(int *)arg, &one, sizeof(one)), sizeof(one));
}

static void on_woken(struct ev_loop *ev, struct ev_io *io, int revents)
{
	uint64_t count;

	(void)ev;
	(void)revents;
	ck_assert_int_eq(read(io->fd, &count, sizeof(count)), sizeof(count));
}

/* After whatever the loop calls, in harness_turn(). */
static void turn_comes(void *arg)
{
	(void)arg;
}

static void on_pause_over(struct ev_loop *ev, struct ev_timer *timer, int revents)
{
	(void)ev;
	(void)timer;
	(void)revents;
}

static void start_loop(void)
{
	wake_fd = eventfd(0, EFD_CLOEXEC);
	loop = ev_loop_new(EVFLAG_AUTO);
	ev_io_init(&woken, on_woken, wake_fd, EV_READ);
	ev_io_start(loop, &woken);
	ev_timer_init(&pause_over, on_pause_over, 0, 0.02);
}

void harness_turn(void)
{
	ev_timer_again(loop, &pause_over);
	ev_run(loop, EVRUN_ONCE);
	for (size_t i = 0; i < NODES_MAX; i++)
		while (nodes[i] && bus_turn(nodes[i]->bus, clock_mono_ms()))
			;
}

bool harness_turn_wanted(void)
{
	struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
	return poll(&fd, 1, 0) == 1;
}

/* --- what a bus tells --------------------------------------------------------------------------------------------- */

static char *frame_text_of(const struct msgbuf *frame)
{
	size_t header = frame->data[1] < 126 ? 2 : frame->data[1] == 126 ? 4 : 10;
	return strndup((const char *)frame->data + header, frame->len - header);
}

static void on_message(void *ctx, struct bus_delivery *const *batch, size_t n)
{
	struct node *node = ctx;

	for (size_t i = 0; i < n; i++) {
		struct bus_delivery *d = batch[i];
		struct got_message m = {.n_keys = d->n_targets, .no_echo = d->no_echo, .redelivered = d->redelivered};
		ck_assert_uint_ge(d->n_targets, 1);
		m.frame = frame_text_of(d->targets[0].frame);
		m.expires = d->expires_at_ms;
		memcpy(m.session, d->session, sizeof(m.session));
		for (size_t k = 0; k < d->n_targets; k++)
			memcpy(m.keys[k], d->targets[k].key.text, sizeof(m.keys[k]));
		APPEND(node->messages, m);
		if (node->hold)
			APPEND(node->held, d);
		else
			bus_settle(node->bus, d, node->how);
	}
}

static void on_bound(void *ctx, const struct key *key, enum bus_bind_result result)
{
	struct node *node = ctx;
	ck_assert_int_ne(node_state(node), BUS_DOWN); /* outcomes come before BUS_DOWN */
	APPEND(node->bound, (struct got_bound){*key, result});
}

static void on_published(void *ctx, struct bus_publication *publication, enum bus_publish_result result)
{
	struct node *node = ctx;
	ck_assert_int_ne(node_state(node), BUS_DOWN);
	APPEND(node->published, (struct got_published){(uintptr_t)publication->token, result});
	bus_publication_free(publication);
}

static void on_restored(void *ctx, const struct key *key)
{
	struct node *node = ctx;
	ck_assert_int_eq(node_state(node), BUS_DOWN);
	APPEND(node->restored, *key);
}

static void on_state(void *ctx, enum bus_state state, enum bus_bindings bindings)
{
	struct node *node = ctx;
	ck_assert_int_ne(node_state(node), (int)state);
	APPEND(node->states, (struct got_state){state, bindings});
}

static void on_fatal(void *ctx, const char *what)
{
	struct node *node = ctx;
	ck_assert_str_eq(node->fatal, "");
	snprintf(node->fatal, sizeof(node->fatal), "%s", what);
}

static const struct bus_upcalls upcalls = {
    .message = on_message,
    .bound = on_bound,
    .restored = on_restored,
    .published = on_published,
    .state = on_state,
    .fatal = on_fatal,
};

/* --- nodes -------------------------------------------------------------------------------------------------------- */

static void set_option(struct node *n, const char *name, const char *value)
{
	struct buf err = BUF_INIT;
	int rc = options_set(&options, &n->config, name, value, &err);
	ck_assert_msg(rc == 0, "%s=%s: %.*s", name, value, STR_ARG(buf_str(&err)));
	buf_deinit(&err);
}

static void set_options(struct node *n, const char *set)
{
	char *copy = strdup(set), *save = NULL;

	for (char *one = strtok_r(copy, ";", &save); one; one = strtok_r(NULL, ";", &save)) {
		char *equals = strchr(one, '=');
		ck_assert_ptr_nonnull(equals);
		*equals = '\0';
		set_option(n, one, equals + 1);
	}
	free(copy);
}

struct node *node_open(const char *name, const char *set)
{
	struct node *n = calloc(1, sizeof(*n));
	struct ulid_source source = {0};
	size_t slot = 0;

	if (!loop)
		start_loop();
	while (nodes[slot])
		slot++;
	ck_assert_uint_lt(slot, NODES_MAX);
	snprintf(n->id, sizeof(n->id), "contract-%d-%s", (int)getpid(), name);
	ulid_next(&source, clock_unix_ms(), &n->epoch);
	ck_assert_int_eq(options_init(&options, &n->config), 0);
	n->config.driver = target.driver;
	if (target.settings)
		set_options(n, target.settings);
	if (set)
		set_options(n, set);
	const struct bus_env env = {.upcalls = &upcalls,
	                            .ctx = n,
	                            .wake = wake,
	                            .wake_arg = &wake_fd,
	                            .turn = turn_comes,
	                            .loop = loop,
	                            .node_id = n->id,
	                            .epoch = n->epoch.text,
	                            .state_dir = target.state_dir ? target.state_dir : "",
	                            .metrics = &n->metrics};
	ck_assert_int_eq(bus_open(&n->config, &env, &n->bus), 0);
	nodes[slot] = n;
	return n;
}

struct node *node_up(const char *name, const char *set)
{
	struct node *n = node_open(name, set);
	WAIT_FOR(node_state(n) == BUS_UP || n->fatal[0]);
	ck_assert_str_eq(n->fatal, "");
	return n;
}

void node_close(struct node *n)
{
	for (size_t i = 0; i < NODES_MAX; i++)
		if (nodes[i] == n)
			nodes[i] = NULL;
	bus_close(n->bus);
	for (size_t i = 0; i < n->messages.n; i++)
		free(n->messages.p[i].frame);
	free(n->messages.p);
	free(n->bound.p);
	free(n->published.p);
	free(n->states.p);
	free(n->restored.p);
	free(n->held.p);
	options_deinit(&options, &n->config);
	free(n);
}

enum bus_state node_state(const struct node *n)
{
	return n->states.n ? n->states.p[n->states.n - 1].state : BUS_DOWN;
}

size_t node_states(const struct node *n, enum bus_state state)
{
	size_t count = 0;
	for (size_t i = 0; i < n->states.n; i++)
		count += n->states.p[i].state == state;
	return count;
}

uint64_t node_metric(const struct node *n, const char *line_start)
{
	struct buf out = BUF_INIT;
	metrics_render(&n->metrics, &out);
	buf_putc(&out, '\0');
	char *at = strstr(out.p, line_start);
	while (at && at != out.p && at[-1] != '\n')
		at = strstr(at + 1, line_start);
	ck_assert_msg(at, "no metric %s", line_start);
	uint64_t value = strtoull(at + strlen(line_start), NULL, 10);
	buf_deinit(&out);
	return value;
}

/* --- doing things ------------------------------------------------------------------------------------------------- */

static struct key key_named(enum key_kind kind, const char *name)
{
	struct key key;
	ck_assert_int_eq(key_from_name(kind, str_from(name), &key), 0);
	return key;
}

struct key user_key(const char *name)
{
	return key_named(KEY_USER, name);
}

struct key room_key(const char *name)
{
	return key_named(KEY_ROOM, name);
}

static void wait_bound(struct node *n, struct key key, size_t before)
{
	WAIT_FOR(n->bound.n > before);
	ck_assert_str_eq(n->bound.p[before].key.text, key.text);
	ck_assert_int_eq(n->bound.p[before].result, BUS_BIND_OK);
}

void node_bind(struct node *n, struct key key)
{
	size_t before = n->bound.n;
	ck_assert_int_eq(bus_bind(n->bus, &key), 0);
	wait_bound(n, key, before);
}

void node_unbind(struct node *n, struct key key)
{
	size_t before = n->bound.n;
	ck_assert_int_eq(bus_unbind(n->bus, &key), 0);
	wait_bound(n, key, before);
}

void node_publish_message(struct node *n, struct key key, const struct message *m, uintptr_t token)
{
	struct bus_publication *publication = bus_publication_new(&key, m, (void *)token);
	int rc = BUS_E_BUSY;

	ck_assert_ptr_nonnull(publication);
	WAIT_FOR((rc = bus_publish(n->bus, publication)) != BUS_E_BUSY);
	ck_assert_int_eq(rc, 0);
}

void node_publish(struct node *n, struct key key, const char *body, uintptr_t token)
{
	node_publish_message(n, key, &(struct message){.body = str_from(body), .ts = clock_unix_ms()}, token);
}

int node_result(const struct node *n, uintptr_t token)
{
	for (size_t i = 0; i < n->published.n; i++)
		if (n->published.p[i].token == token)
			return (int)n->published.p[i].result;
	return -1;
}

enum bus_publish_result node_publish_wait(struct node *n, struct key key, const char *body, uintptr_t token)
{
	node_publish(n, key, body, token);
	WAIT_FOR(node_result(n, token) >= 0);
	return (enum bus_publish_result)node_result(n, token);
}

size_t node_messages(const struct node *n, const struct key *key, const char *text)
{
	size_t count = 0;

	for (size_t i = 0; i < n->messages.n; i++)
		for (size_t k = 0; k < n->messages.p[i].n_keys; k++)
			count += (!key || strcmp(n->messages.p[i].keys[k], key->text) == 0) &&
			         (!text || strstr(n->messages.p[i].frame, text));
	return count;
}

void node_settle_down(struct node *n)
{
	static uintptr_t token = 1000000;
	struct key key = room_key("settle-down");
	char body[32];

	node_bind(n, key);
	snprintf(body, sizeof(body), "\"down-%ju\"", (uintmax_t)++token);
	node_publish(n, key, body, token);
	WAIT_FOR(node_messages(n, &key, body) == 1);
	node_unbind(n, key);
}
