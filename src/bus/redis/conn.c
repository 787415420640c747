#include "bus/redis/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "bus/redis/secret.h"
#include "bus/redis/tls.h"

#define STABLE_MS 5000    /* a link that was up for so long starts again with the shortest pause */
#define READS_MAX 16      /* of 16 KB, between two answers, before others have their turn */
#define PINGS_A_TIMEOUT 4 /* a quiet link is pinged so often within ping_timeout */
#define UNIX_HEAD "unix:"
#define URI_HEAD "redis://"
#define TLS_HEAD "rediss://"

/* --- what went wrong, in words ----------------------------------------------------------------------------------- */

static int fail(struct conn *conn, const char *fmt, ...) GRID_PRINTF(2, 3);
static int fail(struct conn *conn, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(conn->why, sizeof(conn->why), fmt, ap);
	va_end(ap);
	conn->needs_somebody = false;
	return -ECONNABORTED;
}

void conn_give_up(struct conn *conn, const char *fmt, ...)
{
	va_list ap;

	if (conn->state == CONN_PAUSED)
		return;
	va_start(ap, fmt);
	vsnprintf(conn->why, sizeof(conn->why), fmt, ap);
	va_end(ap);
	conn->broken = true;
	conn->wake(conn->wake_arg);
}

/* Credentials and rights do not mend themselves. */
static int fail_by_answer(struct conn *conn, const char *doing, const redisReply *reply)
{
	static const char *const codes[] = {"WRONGPASS", "NOAUTH", "NOPERM", "ERR AUTH", "ERR DB index", "ERR invalid DB"};
	int rc = fail(conn, "%s: %s", doing, reply->str);

	for (size_t i = 0; i < GRID_ARRAY_LEN(codes); i++)
		if (strncmp(reply->str, codes[i], strlen(codes[i])) == 0)
			conn->needs_somebody = true;
	return rc;
}

static void tell_why(struct conn *conn)
{
	if (strcmp(conn->why, conn->told) == 0)
		return;
	memcpy(conn->told, conn->why, sizeof(conn->told));
	log_event(conn->needs_somebody ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "bus.waiting", "link=%s address=%s why=%s%s",
	          conn->role, LOG_QUOTED(str_from(conn->config->address)), LOG_QUOTED(str_from(conn->why)),
	          conn->needs_somebody ? " hint=\"check bus.redis.user, its password and ACL, and bus.redis.database\""
	                               : "");
}

/* --- the socket --------------------------------------------------------------------------------------------------- */

/* Writes what there is, and comes back when the socket takes more. */
static void send_unsent(struct conn *conn)
{
	int done = 0;

	if (redisBufferWrite(conn->context, &done) != REDIS_OK) {
		conn->unsent = false;
		conn_give_up(conn, "writing: %s", conn->context->errstr);
		return;
	}
	conn->unsent = !done;
	if (done)
		ev_io_stop(conn->loop, &conn->writable);
	else if (conn->state == CONN_UP || !conn->tls) /* a handshake waits for the other side, not for the socket */
		ev_io_start(conn->loop, &conn->writable);
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct conn *conn = io->data;
	(void)loop;
	(void)revents;
	conn->wake(conn->wake_arg);
}

static void on_writable(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct conn *conn = io->data;
	(void)revents;
	if (conn->state == CONN_CONNECTING) {
		conn->connected = true;
		ev_io_stop(loop, io);
		conn->wake(conn->wake_arg);
	} else if (!conn->broken) {
		send_unsent(conn);
	}
}

static void on_before_poll(struct ev_loop *loop, struct ev_prepare *prepare, int revents)
{
	struct conn *conn = prepare->data;
	(void)loop;
	(void)revents;
	if (conn->unsent && !conn->broken && !ev_is_active(&conn->writable))
		send_unsent(conn);
}

static void watch(struct conn *conn)
{
	ev_io_init(&conn->readable, on_readable, conn->context->fd, EV_READ);
	ev_io_init(&conn->writable, on_writable, conn->context->fd, EV_WRITE);
	ev_prepare_init(&conn->before_poll, on_before_poll);
	conn->readable.data = conn->writable.data = conn->before_poll.data = conn;
	ev_io_start(conn->loop, &conn->readable);
	ev_io_start(conn->loop, &conn->writable);
	ev_prepare_start(conn->loop, &conn->before_poll);
	conn->watching = true;
}

static void close_socket(struct conn *conn)
{
	if (conn->watching) {
		ev_io_stop(conn->loop, &conn->readable);
		ev_io_stop(conn->loop, &conn->writable);
		ev_prepare_stop(conn->loop, &conn->before_poll);
	}
	conn->watching = conn->unsent = conn->connected = conn->broken = false;
	if (conn->context)
		redisFree(conn->context);
	conn->context = NULL;
	conn->resolve = resolve_free(conn->resolve);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static struct request *pop(struct requests *requests)
{
	struct request *request = requests->head;

	if (request) {
		requests->head = request->next;
		request->next = NULL;
	}
	return request;
}

static void push(struct conn *conn, struct request *request)
{
	request->next = NULL;
	if (conn->asked.head) {
		conn->asked.tail->next = request;
	} else {
		conn->asked.head = request;
		conn->asked_since_ms = clock_mono_ms();
	}
	conn->asked.tail = request;
}

void conn_ask(struct conn *conn, struct request *request, const struct str *args, size_t n)
{
	const char *texts[CONN_ARGS_MAX];
	size_t lengths[CONN_ARGS_MAX];

	GRID_ASSERT(conn->state >= CONN_LOGIN && n <= CONN_ARGS_MAX);
	for (size_t i = 0; i < n; i++) {
		texts[i] = args[i].p ? args[i].p : "";
		lengths[i] = args[i].n;
	}
	push(conn, request);
	conn->unsent = true;
	if (!conn->broken && redisAppendCommandArgv(conn->context, (int)n, texts, lengths) != REDIS_OK)
		conn_give_up(conn, "out of memory");
}

struct request *conn_take_unanswered(struct conn *conn)
{
	struct request *request = pop(&conn->asked);

	while (request == &conn->ping)
		request = pop(&conn->asked);
	return request;
}

/* --- states ------------------------------------------------------------------------------------------------------- */

/* Half fixed, half chance, so that the nodes of a grid do not all come back in the same moment. */
static uint64_t with_jitter(int64_t ms)
{
	uint32_t r = 0;
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)clock_mono_us();
	return (uint64_t)ms / 2 + r % ((uint64_t)ms / 2 + 1);
}

static void set_state(struct conn *conn, enum conn_state state, uint64_t now_ms)
{
	static const char *const names[] = {
	    [CONN_PAUSED] = "paused",
	    [CONN_RESOLVING] = "resolving",
	    [CONN_CONNECTING] = "connecting",
	    [CONN_LOGIN] = "login",
	    [CONN_UP] = "up",
	};

	GRID_ASSERT(state == CONN_PAUSED || state > conn->state);
	log_debug("bus.link", "link=%s from=%s to=%s", conn->role, names[conn->state], names[state]);
	conn->state = state;
	conn->heard_ms = now_ms;
	counter_set(&conn->counters->connected, state == CONN_UP);
}

static void pause_from(struct conn *conn, uint64_t now_ms)
{
	if (conn->up_since_ms && now_ms - conn->up_since_ms >= STABLE_MS)
		conn->pause_ms = 0;
	conn->up_since_ms = 0;
	conn->pause_ms = conn->pause_ms ? conn->pause_ms * 2 : conn->config->reconnect_min;
	if (conn->pause_ms > conn->config->reconnect_max)
		conn->pause_ms = conn->config->reconnect_max;
	conn->pause_until_ms = now_ms + with_jitter(conn->pause_ms);
}

/* Ends what there is, for the reason in `why`. */
static int lose(struct conn *conn, uint64_t now_ms)
{
	bool was_up = conn->state == CONN_UP;

	close_socket(conn);
	set_state(conn, CONN_PAUSED, now_ms);
	pause_from(conn, now_ms);
	if (was_up) {
		counter_add(&conn->counters->losses, 1);
		log_warn("bus.lost", "link=%s why=%s", conn->role, LOG_QUOTED(str_from(conn->why)));
		return CONN_E_LOST;
	}
	conn->asked = (struct requests){NULL, NULL};
	counter_add(&conn->counters->failures, 1);
	tell_why(conn);
	return CONN_E_NOTHING;
}

/* "host:port", "[v6]:port", "unix:/path"; the first two with or without "redis://" or "rediss://". */
static int take_address(struct conn *conn)
{
	const char *address = conn->config->address;
	size_t head = strncmp(address, URI_HEAD, strlen(URI_HEAD)) == 0 ? strlen(URI_HEAD) : 0;

	conn->tls = strncmp(address, TLS_HEAD, strlen(TLS_HEAD)) == 0;
	if (conn->tls)
		head = strlen(TLS_HEAD);
	const char *colon = strrchr(address + head, ':');

	conn->port = 0;
	if (strncmp(address, UNIX_HEAD, strlen(UNIX_HEAD)) == 0) {
		snprintf(conn->host, sizeof(conn->host), "%s", address + strlen(UNIX_HEAD));
		return 0;
	}
	const char *host = address + head;
	size_t n = colon ? (size_t)(colon - host) : 0;
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	if (colon)
		conn->port = atoi(colon + 1);
	if (n == 0 || n >= sizeof(conn->host) || conn->port < 1 || conn->port > 65535)
		return fail(conn, "address %s is not host:port", address);
	snprintf(conn->host, sizeof(conn->host), "%.*s", (int)n, host);
	return 0;
}

static bool is_numeric(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int connect_to(struct conn *conn, const char *address, uint64_t now_ms)
{
	conn->context = conn->port ? redisConnectNonBlock(address, conn->port) : redisConnectUnixNonBlock(address);
	if (!conn->context)
		return fail(conn, "out of memory");
	if (conn->context->err)
		return fail(conn, "connecting: %s", conn->context->errstr);
	set_state(conn, CONN_CONNECTING, now_ms);
	watch(conn);
	return CONN_E_NOTHING;
}

static int start(struct conn *conn, uint64_t now_ms)
{
	if (now_ms < conn->pause_until_ms)
		return CONN_E_NOTHING;
	GRID_ASSERT(!conn->asked.head);
	conn->deadline_ms = now_ms + (uint64_t)conn->config->connect_timeout;
	int rc = take_address(conn);
	if (rc != 0)
		return rc;
	if (!conn->port || is_numeric(conn->host))
		return connect_to(conn, conn->host, now_ms);
	rc = resolve_start(conn->host, &conn->resolve);
	if (rc != 0)
		return fail(conn, "looking up %s: %s", conn->host, strerrordesc_np(-rc));
	set_state(conn, CONN_RESOLVING, now_ms);
	return CONN_E_NOTHING;
}

static int resolve_step(struct conn *conn, uint64_t now_ms)
{
	char address[INET6_ADDRSTRLEN];
	const char *why = "";
	int rc = resolve_poll(conn->resolve, address, &why);

	if (rc == RESOLVE_E_BUSY)
		return CONN_E_NOTHING;
	conn->resolve = resolve_free(conn->resolve);
	return rc == 0 ? connect_to(conn, address, now_ms) : fail(conn, "looking up %s: %s", conn->host, why);
}

/* --- login -------------------------------------------------------------------------------------------------------- */

static void ask_login(struct conn *conn, int which, const struct str *args, size_t n)
{
	conn->login[which].kind = which;
	conn_ask(conn, &conn->login[which], args, n);
}

static int ask_auth(struct conn *conn)
{
	const struct redis_config *config = conn->config;
	struct buf password GRID_CLEANUP(secret_deinit) = BUF_INIT;

	int rc = secret_read(config->password, config->password_file, &password);
	if (rc == SECRET_E_UNREADABLE)
		return fail(conn, "cannot read password_file %s: %s", config->password_file, strerrordesc_np(errno));
	if (rc != 0)
		return fail(conn, "out of memory");
	const struct str with_user[] = {STR("AUTH"), str_from(config->user), buf_str(&password)};
	const struct str without[] = {STR("AUTH"), buf_str(&password)};
	if (*config->user)
		ask_login(conn, CONN_LOGIN_AUTH, with_user, GRID_ARRAY_LEN(with_user));
	else if (password.n)
		ask_login(conn, CONN_LOGIN_AUTH, without, GRID_ARRAY_LEN(without));
	return 0;
}

static int log_in(struct conn *conn, uint64_t now_ms)
{
	char database[24], name[128];
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(conn->context->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error)
		return fail(conn, "connecting: %s", strerrordesc_np(error));
	set_state(conn, CONN_LOGIN, now_ms);
	char why[256];
	if (conn->tls && tls_start(conn->context, conn->config, conn->host, why, sizeof(why)) != 0)
		return fail(conn, "TLS: %s", why);
	int rc = ask_auth(conn);
	if (rc != 0)
		return rc;
	if (conn->config->database) {
		snprintf(database, sizeof(database), "%lld", (long long)conn->config->database);
		ask_login(conn, CONN_LOGIN_SELECT, (const struct str[]){STR("SELECT"), str_from(database)}, 2);
	}
	snprintf(name, sizeof(name), "gridnode:%s:%s", conn->node_id, conn->role);
	ask_login(conn, CONN_LOGIN_NAME, (const struct str[]){STR("CLIENT"), STR("SETNAME"), str_from(name)}, 3);
	ask_login(conn, CONN_LOGIN_PING, &STR("PING"), 1);
	ask_login(conn, CONN_LOGIN_GREETING, conn->greeting, conn->greeting_n);
	return CONN_E_NOTHING;
}

static int on_login_answer(struct conn *conn, const struct request *request, const redisReply *reply, uint64_t now_ms)
{
	const char *const doing[CONN_LOGIN_COUNT] = {
	    [CONN_LOGIN_AUTH] = "AUTH",
	    [CONN_LOGIN_SELECT] = "SELECT",
	    [CONN_LOGIN_NAME] = "CLIENT SETNAME",
	    [CONN_LOGIN_PING] = "PING",
	    [CONN_LOGIN_GREETING] = conn->greeting[0].p,
	};

	/* The name is for people who look at CLIENT LIST; an ACL may forbid it. */
	if (reply->type == REDIS_REPLY_ERROR && request->kind != CONN_LOGIN_NAME)
		return fail_by_answer(conn, doing[request->kind], reply);
	if (request->kind != CONN_LOGIN_GREETING)
		return 0;
	set_state(conn, CONN_UP, now_ms);
	conn->up_since_ms = now_ms;
	conn->told[0] = '\0';
	counter_add(&conn->counters->connects, 1);
	log_info("bus.connected", "link=%s address=%s", conn->role, LOG_QUOTED(str_from(conn->config->address)));
	return CONN_E_UP;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int read_reply(struct conn *conn, uint64_t now_ms, redisReply **replyp)
{
	redisContext *c = conn->context;

	for (int reads = 0;; reads++) {
		void *reply = NULL;
		if (redisReaderGetReply(c->reader, &reply) != REDIS_OK)
			return fail(conn, "reading: %s", c->reader->errstr);
		if (reply) {
			*replyp = reply;
			return 0;
		}
		size_t before = c->reader->len;
		if (reads == READS_MAX) {
			conn->wake(conn->wake_arg); /* others first; what TLS holds back makes no socket readable */
			return CONN_E_NOTHING;
		}
		if (redisBufferRead(c) != REDIS_OK)
			return fail(conn, "reading: %s", conn->tls && tls_why() ? tls_why() : c->errstr);
		if (c->reader->len == before)
			return CONN_E_NOTHING;
		conn->heard_ms = now_ms;
	}
}

static bool is_message(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 && reply->element[0]->type == REDIS_REPLY_STRING &&
	       reply->element[1]->type == REDIS_REPLY_STRING && reply->element[2]->type == REDIS_REPLY_STRING &&
	       strcmp(reply->element[0]->str, "message") == 0;
}

/* Also a frozen server keeps its connections: one that leaves something unanswered is gone. */
static int watchdog(struct conn *conn, uint64_t now_ms)
{
	uint64_t timeout_ms = (uint64_t)conn->config->ping_timeout;
	uint64_t since_ms = conn->heard_ms > conn->asked_since_ms ? conn->heard_ms : conn->asked_since_ms;

	if (conn->asked.head) {
		if (now_ms >= since_ms + timeout_ms)
			return fail(conn, "no answer for %llu ms", (unsigned long long)(now_ms - since_ms));
	} else if (now_ms >= conn->heard_ms + timeout_ms / PINGS_A_TIMEOUT) {
		counter_add(&conn->counters->pings, 1);
		conn_ask(conn, &conn->ping, &STR("PING"), 1);
	}
	return CONN_E_NOTHING;
}

static int serve(struct conn *conn, uint64_t now_ms, struct conn_answer *answer)
{
	redisReply *reply = NULL;

	for (;;) {
		int rc = read_reply(conn, now_ms, &reply);
		if (rc != 0)
			return rc == CONN_E_NOTHING && conn->state == CONN_UP ? watchdog(conn, now_ms) : rc;
		*answer = (struct conn_answer){.reply = reply};
		if (is_message(reply))
			return 0;
		answer->request = pop(&conn->asked);
		if (answer->request && answer->request != &conn->ping && conn->state == CONN_UP)
			return 0;
		if (!answer->request)
			rc = reply->type == REDIS_REPLY_ERROR ? fail(conn, "Redis says: %s", reply->str)
			                                      : fail(conn, "an answer to nothing that was asked");
		else if (conn->state == CONN_LOGIN)
			rc = on_login_answer(conn, answer->request, reply, now_ms);
		freeReplyObject(reply);
		if (rc != 0)
			return rc;
	}
}

static int step(struct conn *conn, uint64_t now_ms, struct conn_answer *answer)
{
	if (conn->broken)
		return -ECONNABORTED;
	if (conn->state != CONN_PAUSED && conn->state != CONN_UP && now_ms >= conn->deadline_ms)
		return fail(conn, "no answer within %lld ms", (long long)conn->config->connect_timeout);
	switch (conn->state) {
	case CONN_PAUSED:
		return start(conn, now_ms);
	case CONN_RESOLVING:
		return resolve_step(conn, now_ms);
	case CONN_CONNECTING:
		return conn->connected ? log_in(conn, now_ms) : CONN_E_NOTHING;
	case CONN_LOGIN:
	case CONN_UP:
		break;
	}
	return serve(conn, now_ms, answer);
}

int conn_next(struct conn *conn, uint64_t now_ms, struct conn_answer *answer)
{
	int rc = step(conn, now_ms, answer);
	return rc < 0 ? lose(conn, now_ms) : rc;
}

/* --- begin and end ------------------------------------------------------------------------------------------------ */

void conn_init(struct conn *conn, const struct conn_setup *setup)
{
	*conn = (struct conn){
	    .config = setup->config,
	    .role = setup->role,
	    .node_id = setup->node_id,
	    .greeting_n = setup->greeting_n,
	    .counters = setup->counters,
	    .loop = setup->loop,
	    .wake = setup->wake,
	    .wake_arg = setup->wake_arg,
	    .state = CONN_PAUSED,
	};
	memcpy(conn->greeting, setup->greeting, sizeof(conn->greeting));
}

void conn_deinit(struct conn *conn)
{
	close_socket(conn);
}

void conn_wait(struct conn *conn, uint64_t timeout_ms)
{
	if (conn->state != CONN_UP || conn->broken)
		return;
	if (conn->unsent)
		send_unsent(conn);
	struct pollfd fd = {.fd = conn->context->fd, .events = (short)(conn->unsent ? POLLIN | POLLOUT : POLLIN)};
	(void)poll(&fd, 1, (int)timeout_ms);
}
