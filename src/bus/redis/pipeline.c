#include "bus/redis/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "bus/redis/pipeline_impl.h"
#include "bus/redis/tls.h"

#define STABLE_MS 5000    /* a link that was up for so long starts again with the shortest pause */
#define READS_MAX 16      /* of 16 KB, between two answers, before others have their turn */
#define PINGS_A_TIMEOUT 4 /* a quiet link is pinged so often within ping_timeout */

/* --- what went wrong, in words ----------------------------------------------------------------------------------- */

int pipeline_fail(struct pipeline *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
	p->needs_somebody = false;
	return -ECONNABORTED;
}

void pipeline_give_up(struct pipeline *p, const char *fmt, ...)
{
	va_list ap;

	if (p->state == PIPELINE_PAUSED)
		return;
	va_start(ap, fmt);
	vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
	p->broken = true;
	p->wake(p->wake_arg);
}

static void tell_why(struct pipeline *p)
{
	if (strcmp(p->why, p->told) == 0)
		return;
	memcpy(p->told, p->why, sizeof(p->told));
	log_event(p->needs_somebody ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "bus.waiting", "link=%s address=%s why=%s%s",
	          p->role, LOG_QUOTED(str_from(p->config->address)), LOG_QUOTED(str_from(p->why)),
	          p->needs_somebody ? " hint=\"check bus.redis.user, its password and ACL, and bus.redis.database\"" : "");
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

static void push(struct pipeline *p, struct request *request)
{
	request->next = NULL;
	if (p->asked.head) {
		p->asked.tail->next = request;
	} else {
		p->asked.head = request;
		p->asked_since_ms = clock_mono_ms();
	}
	p->asked.tail = request;
}

void pipeline_ask(struct pipeline *p, struct request *request, const struct str *args, size_t n)
{
	const char *texts[PIPELINE_ARGS_MAX];
	size_t lengths[PIPELINE_ARGS_MAX];

	GRID_ASSERT(p->state >= PIPELINE_LOGIN && n <= PIPELINE_ARGS_MAX);
	for (size_t i = 0; i < n; i++) {
		texts[i] = args[i].p ? args[i].p : "";
		lengths[i] = args[i].n;
	}
	push(p, request);
	p->unsent = true;
	if (!p->broken && redisAppendCommandArgv(p->context, (int)n, texts, lengths) != REDIS_OK)
		pipeline_give_up(p, "out of memory");
}

struct request *pipeline_take_unanswered(struct pipeline *p)
{
	struct request *request = pop(&p->asked);

	while (request == &p->ping)
		request = pop(&p->asked);
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

void pipeline_set_state(struct pipeline *p, enum pipeline_state state, uint64_t now_ms)
{
	static const char *const names[] = {
	    [PIPELINE_PAUSED] = "paused",
	    [PIPELINE_RESOLVING] = "resolving",
	    [PIPELINE_CONNECTING] = "connecting",
	    [PIPELINE_LOGIN] = "login",
	    [PIPELINE_UP] = "up",
	};

	GRID_ASSERT(state == PIPELINE_PAUSED || state > p->state);
	log_debug("bus.link", "link=%s from=%s to=%s", p->role, names[p->state], names[state]);
	p->state = state;
	p->heard_ms = now_ms;
	counter_set(&p->counters->connected, state == PIPELINE_UP);
}

static void pause_from(struct pipeline *p, uint64_t now_ms)
{
	if (p->up_since_ms && now_ms - p->up_since_ms >= STABLE_MS)
		p->pause_ms = 0;
	p->up_since_ms = 0;
	p->pause_ms = p->pause_ms ? p->pause_ms * 2 : p->config->reconnect_min;
	if (p->pause_ms > p->config->reconnect_max)
		p->pause_ms = p->config->reconnect_max;
	p->pause_until_ms = now_ms + with_jitter(p->pause_ms);
}

/* Ends what there is, for the reason in `why`. */
static int lose(struct pipeline *p, uint64_t now_ms)
{
	bool was_up = p->state == PIPELINE_UP;

	pipeline_socket_close(p);
	pipeline_set_state(p, PIPELINE_PAUSED, now_ms);
	pause_from(p, now_ms);
	if (was_up) {
		counter_add(&p->counters->losses, 1);
		log_warn("bus.lost", "link=%s why=%s", p->role, LOG_QUOTED(str_from(p->why)));
		return PIPELINE_E_LOST;
	}
	p->asked = (struct requests){NULL, NULL};
	counter_add(&p->counters->failures, 1);
	tell_why(p);
	return PIPELINE_E_NOTHING;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Also a frozen server keeps its connections: one that leaves something unanswered is gone. */
static bool is_overdue(const struct pipeline *p, uint64_t now_ms)
{
	uint64_t since_ms = p->heard_ms > p->asked_since_ms ? p->heard_ms : p->asked_since_ms;

	return p->asked.head && now_ms >= since_ms + (uint64_t)p->config->ping_timeout;
}

/* Reads only when the loop has said that there is something; and before the watchdog bites: after a pause of our own
 * its timer may come first. */
static int read_reply(struct pipeline *p, uint64_t now_ms, redisReply **replyp)
{
	redisContext *c = p->context;

	for (int reads = 0;; reads++) {
		void *reply = NULL;
		if (redisReaderGetReply(c->reader, &reply) != REDIS_OK)
			return pipeline_fail(p, "reading: %s", c->reader->errstr);
		if (reply) {
			*replyp = reply;
			return 0;
		}
		size_t before = c->reader->len;
		if (reads == READS_MAX) {
			p->wake(p->wake_arg); /* others first; what TLS holds back makes no socket readable */
			return PIPELINE_E_NOTHING;
		}
		if (!p->unread && !is_overdue(p, now_ms))
			return PIPELINE_E_NOTHING;
		if (redisBufferRead(c) != REDIS_OK)
			return pipeline_fail(p, "reading: %s", p->tls && tls_why() ? tls_why() : c->errstr);
		p->unread = c->reader->len != before;
		if (!p->unread)
			return PIPELINE_E_NOTHING;
		p->heard_ms = now_ms;
	}
}

static bool is_message(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 && reply->element[0]->type == REDIS_REPLY_STRING &&
	       reply->element[1]->type == REDIS_REPLY_STRING && reply->element[2]->type == REDIS_REPLY_STRING &&
	       strcmp(reply->element[0]->str, "message") == 0;
}

static int watchdog(struct pipeline *p, uint64_t now_ms)
{
	uint64_t timeout_ms = (uint64_t)p->config->ping_timeout;

	if (is_overdue(p, now_ms))
		return pipeline_fail(p, "no answer for %llu ms", (unsigned long long)timeout_ms);
	if (!p->asked.head && now_ms >= p->heard_ms + timeout_ms / PINGS_A_TIMEOUT) {
		counter_add(&p->counters->pings, 1);
		pipeline_ask(p, &p->ping, &STR("PING"), 1);
	}
	return PIPELINE_E_NOTHING;
}

static int serve(struct pipeline *p, uint64_t now_ms, struct pipeline_answer *answer)
{
	redisReply *reply = NULL;

	for (;;) {
		int rc = read_reply(p, now_ms, &reply);
		if (rc != 0)
			return rc == PIPELINE_E_NOTHING && p->state == PIPELINE_UP ? watchdog(p, now_ms) : rc;
		*answer = (struct pipeline_answer){.reply = reply};
		if (is_message(reply))
			return 0;
		answer->request = pop(&p->asked);
		if (answer->request && answer->request != &p->ping && p->state == PIPELINE_UP)
			return 0;
		if (!answer->request)
			rc = reply->type == REDIS_REPLY_ERROR ? pipeline_fail(p, "Redis says: %s", reply->str)
			                                      : pipeline_fail(p, "an answer to nothing that was asked");
		else if (p->state == PIPELINE_LOGIN)
			rc = pipeline_login_on_answer(p, answer->request, reply, now_ms);
		freeReplyObject(reply);
		if (rc != 0)
			return rc;
	}
}

static int step(struct pipeline *p, uint64_t now_ms, struct pipeline_answer *answer)
{
	if (p->broken)
		return -ECONNABORTED;
	if (p->state != PIPELINE_PAUSED && p->state != PIPELINE_UP && now_ms >= p->deadline_ms)
		return pipeline_fail(p, "no answer within %lld ms", (long long)p->config->connect_timeout);
	switch (p->state) {
	case PIPELINE_PAUSED:
		return pipeline_socket_open(p, now_ms);
	case PIPELINE_RESOLVING:
		return pipeline_socket_resolve(p, now_ms);
	case PIPELINE_CONNECTING:
		return p->connected ? pipeline_login_start(p, now_ms) : PIPELINE_E_NOTHING;
	case PIPELINE_LOGIN:
	case PIPELINE_UP:
		break;
	}
	return serve(p, now_ms, answer);
}

int pipeline_next(struct pipeline *p, uint64_t now_ms, struct pipeline_answer *answer)
{
	int rc = step(p, now_ms, answer);
	return rc < 0 ? lose(p, now_ms) : rc;
}

/* --- begin and end ------------------------------------------------------------------------------------------------ */

void pipeline_init(struct pipeline *p, const struct pipeline_setup *setup)
{
	*p = (struct pipeline){
	    .config = setup->config,
	    .role = setup->role,
	    .node_id = setup->node_id,
	    .greeting_n = setup->greeting_n,
	    .counters = setup->counters,
	    .loop = setup->loop,
	    .wake = setup->wake,
	    .wake_arg = setup->wake_arg,
	    .state = PIPELINE_PAUSED,
	};
	memcpy(p->greeting, setup->greeting, sizeof(p->greeting));
}

void pipeline_deinit(struct pipeline *p)
{
	pipeline_socket_close(p);
}

void pipeline_wait(struct pipeline *p, uint64_t timeout_ms)
{
	if (p->state != PIPELINE_UP || p->broken)
		return;
	if (p->unsent)
		pipeline_socket_send(p);
	struct pollfd fd = {.fd = p->context->fd, .events = (short)(p->unsent ? POLLIN | POLLOUT : POLLIN)};
	(void)poll(&fd, 1, (int)timeout_ms);
	p->unread = true;
}
