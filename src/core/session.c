#include "core/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/log.h"
#include "core/auth.h"
#include "core/hub_impl.h"
#include "core/session_impl.h"
#include "wire/frame.h"

#define FAULTS_MAX 100 /* more bad requests than this at once, or one a second for long, end in 4005 */
#define RETRY_SPREAD_MS 2000

static const char *const state_names[] = {"opening", "open", "closing"};

/* The one place where a session's state changes. */
static void set_state(struct session *s, enum session_state state)
{
	GRID_ASSERT(state > (enum session_state)s->state);
	log_debug("session.state", "%s from=%s to=%s", session_describe(s), state_names[s->state], state_names[state]);
	s->state = (uint8_t)state;
}

struct str session_user(const struct session *s, char name[NAME_ENCODED_MAX])
{
	return (struct str){name, s->own ? key_name(&s->own->topic->key, name) : 0};
}

const char *session_describe(const struct session *s)
{
	char name[NAME_ENCODED_MAX];
	char *text = s->hub->describe;

	snprintf(text, sizeof(s->hub->describe), "session=%s user=%s", s->id.text, LOG_QUOTED(session_user(s, name)));
	return text;
}

void session_update_pause(struct session *s)
{
	bool pause = s->state == SESSION_OPENING || s->parked > 0;

	if (pause == s->paused || s->state == SESSION_CLOSING)
		return;
	s->paused = pause;
	s->hub->transport->pause(s->conn, pause);
}

/* --- what goes out ------------------------------------------------------------------------------------------------ */

static void charge(struct session *s, uint32_t bytes_before)
{
	struct counter *total = &s->hub->counters.queued_bytes;
	counter_set(total, counter_get(total) + s->out.bytes - bytes_before);
}

static void drop_output(struct session *s)
{
	uint32_t before = s->out.bytes;
	outq_deinit(&s->out);
	charge(s, before);
}

static void too_slow(struct session *s)
{
	struct hub *hub = s->hub;

	counter_add(&hub->counters.too_slow, 1);
	log_limited(&hub->log_limit, hub->now.mono_ms, LOG_LEVEL_WARN, "session.too_slow", "%s queued_bytes=%u",
	            session_describe(s), s->out.bytes);
	drop_output(s);
	session_close(s, CLOSE_TOO_SLOW, "too slow to read");
}

/* Is there room for so many bytes more? Between two flushes more can come than the queue holds, and that says nothing
 * about the client: who is slow shows when the socket is offered what waits. */
static bool make_room(struct session *s, uint32_t bytes)
{
	while ((int64_t)s->out.bytes + bytes > s->hub->config->limits.queue) {
		uint32_t before = s->out.bytes;
		s->hub->transport->flush(s->conn);
		if (s->out.bytes == before)
			return false;
	}
	return true;
}

void session_push(struct session *s, struct msgbuf *frame)
{
	if (s->state == SESSION_CLOSING)
		return;
	if (!make_room(s, frame->len)) {
		too_slow(s);
		return;
	}
	uint32_t before = s->out.bytes;
	if (outq_push(&s->out, frame) != 0) {
		too_slow(s);
		return;
	}
	charge(s, before);
	hub_touch(s->hub, s);
}

void session_send(struct session *s, struct msgbuf *frame)
{
	session_push(s, frame);
}

void session_push_text(struct session *s, struct buf *json)
{
	struct msgbuf *frame = json->failed ? NULL : frame_text(buf_str(json));

	buf_reset(json);
	if (frame)
		session_push(s, frame);
	else
		too_slow(s); /* an answer lost for want of memory must not go unnoticed: the client comes back */
	msgbuf_unref(frame);
}

static void begin(struct buf *out, const char *op, struct str ref)
{
	buf_printf(out, "{\"op\":\"%s\"", op);
	if (ref.p) {
		buf_puts(out, ",\"ref\":");
		buf_put_str(out, ref);
	}
}

void session_begin_ok(struct buf *out, struct str ref)
{
	begin(out, "ok", ref);
}

/* A leaky bucket of bad requests: a client that sends nothing else is told once and closed. */
static void fault(struct session *s)
{
	struct now now = s->hub->now;
	uint64_t leaked = (now.mono_ms - s->faults_at_ms) / 1000;

	s->faults = leaked >= s->faults ? 0 : s->faults - (uint32_t)leaked;
	if (leaked)
		s->faults_at_ms = now.mono_ms;
	if (++s->faults <= FAULTS_MAX)
		return;
	counter_add(&s->hub->counters.abuse, 1);
	log_limited(&s->hub->log_limit, now.mono_ms, LOG_LEVEL_WARN, "session.abuse", "%s", session_describe(s));
	session_close(s, CLOSE_ABUSE, "too many bad requests");
}

void session_fail(struct session *s, struct str ref, enum error_code code, const char *message)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	const struct error_row *row = &error_rows[code];

	counter_add(&s->hub->counters.errors[code], 1);
	begin(&out, "error", ref);
	buf_printf(&out, ",\"code\":\"%s\",\"message\":", row->code);
	json_put_string(&out, str_from(message ? message : row->message));
	buf_putc(&out, '}');
	session_push_text(s, &out);
	if (row->clients_fault)
		fault(s);
}

static void push_bye(struct session *s, const char *code, int64_t retry_ms)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	buf_printf(&out, "{\"op\":\"bye\",\"code\":\"%s\"", code);
	if (retry_ms >= 0)
		buf_printf(&out, ",\"retry_ms\":%lld", (long long)retry_ms);
	buf_putc(&out, '}');
	session_push_text(s, &out);
}

void session_bye(struct session *s, const char *code, int64_t retry_ms, uint16_t close_code, const char *reason)
{
	push_bye(s, code, retry_ms);
	session_close(s, close_code, reason);
}

static void push_welcome(struct session *s, bool bound)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	char name[NAME_ENCODED_MAX];

	buf_printf(&out, "{\"op\":\"welcome\",\"session\":\"%s\",\"user\":", s->id.text);
	json_put_string(&out, session_user(s, name));
	buf_printf(&out, ",\"node\":\"%s\",\"heartbeat\":%lld,\"resumed\":false%s}", s->hub->node_id,
	           (long long)s->hub->config->heartbeat.interval / 1000, bound ? "" : ",\"bound\":false");
	session_push_text(s, &out);
}

void session_welcome(struct session *s, bool bound)
{
	if (s->state != SESSION_OPENING)
		return;
	set_state(s, SESSION_OPEN);
	push_welcome(s, bound);
	session_update_pause(s);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void leave_all(struct session *s)
{
	while (s->subs)
		topics_unsubscribe(&s->hub->topics, s->subs, &s->subs, s->hub->now.mono_ms);
	s->own = NULL;
	s->rooms = 0;
}

void session_let_go(struct session *s)
{
	publishes_forget_session(s);
	leave_all(s);
	hub_pump(s->hub);
}

void session_close(struct session *s, uint16_t code, const char *reason)
{
	if (s->state == SESSION_CLOSING)
		return;
	set_state(s, SESSION_CLOSING);
	hub_bury(s->hub, s);
	s->hub->transport->close(s->conn, code, reason);
}

/* A first answer that ends the session: nothing was subscribed yet. */
static void refuse(struct session *s, const char *why)
{
	counter_add(&s->hub->counters.unauthorized, 1);
	session_fail(s, STR_NONE, ERROR_UNAUTHORIZED, why);
	session_close(s, CLOSE_UNAUTHORIZED, "unauthorized");
}

static void admit(struct session *s, const struct handshake *handshake)
{
	struct hub *hub = s->hub;
	struct key user;
	const char *why;

	if (auth_decide(hub->config, handshake, &user, &why) != 0) {
		refuse(s, why);
		return;
	}
	if (hub->draining) {
		session_bye(s, "drain", RETRY_SPREAD_MS, CLOSE_DRAIN, "draining");
		return;
	}
	if (!hub->was_up) {
		session_bye(s, "unavailable", RETRY_SPREAD_MS, CLOSE_TRY_LATER, "the bus is not there yet");
		return;
	}
	if (topics_subscribe(&hub->topics, &user, s, &s->subs, &s->own) != 0) {
		session_close(s, CLOSE_TRY_LATER, "out of memory");
		return;
	}
	if (!s->own->waiting)
		session_welcome(s, true);
	else if (bus_state(hub->bus) == BUS_DOWN)
		session_welcome(s, false);
	else
		hub_pump(hub);
}

struct session *session_open(struct hub *hub, void *conn, const struct handshake *handshake, struct now now)
{
	struct session *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	hub->now = now;
	s->hub = hub;
	s->conn = conn;
	ulid_next(&hub->ids, now.unix_ms, &s->id);
	DL_APPEND(hub->sessions, s);
	counter_add(&hub->counters.sessions, 1);
	counter_add(&hub->counters.sessions_opened, 1);
	log_debug("session.opened", "session=%s address=%s", s->id.text, LOG_QUOTED(handshake->address));
	session_update_pause(s);
	admit(s, handshake);
	return s;
}

void session_closed(struct session *s, struct now now)
{
	struct hub *hub = s->hub;

	hub->now = now;
	if (s->state != SESSION_CLOSING)
		set_state(s, SESSION_CLOSING);
	hub_exhume(hub, s);
	session_let_go(s);
	drop_output(s);
	hub_untouch(hub, s);
	DL_DELETE(hub->sessions, s);
	counter_sub(&hub->counters.sessions, 1);
	free(s);
}

/* --- what comes in ------------------------------------------------------------------------------------------------ */

static void refuse_request(struct session *s, struct request *req, enum error_code code)
{
	session_fail(s, req->ref, code, req->why);
}

static void handle(struct session *s, struct request *req, struct now now)
{
	size_t verb = verbs_find(req->op);

	if (verb == VERB_COUNT) {
		refuse_request(s, req, ERROR_UNKNOWN_OP);
		return;
	}
	counter_add(&s->hub->counters.requests[verb], 1);
	verbs[verb].handle(s, req, now);
}

void session_receive(struct session *s, struct str frame, struct now now)
{
	struct request req;

	if (s->state != SESSION_OPEN)
		return; /* closing: what still comes in is not read */
	s->hub->now = now;
	int rc = request_decode(&req, frame);
	if (rc == 0)
		handle(s, &req, now);
	else
		refuse_request(s, &req,
		               rc == REQUEST_E_BAD_JSON      ? ERROR_BAD_JSON
		               : rc == REQUEST_E_BAD_REQUEST ? ERROR_BAD_REQUEST
		                                             : ERROR_INTERNAL);
	request_deinit(&req);
}

/* --- what the transport takes ------------------------------------------------------------------------------------- */

size_t session_gather(struct session *s, unsigned char *dst, size_t max)
{
	uint32_t before = s->out.bytes;
	size_t n = 0;

	for (struct msgbuf *m; (m = outq_peek(&s->out)) && m->len <= max - n;) {
		memcpy(dst + n, m->data, m->len);
		n += m->len;
		counter_add(&s->hub->counters.frames_out, 1);
		msgbuf_unref(outq_pop(&s->out));
	}
	charge(s, before);
	return n;
}

struct msgbuf *session_take(struct session *s)
{
	uint32_t before = s->out.bytes;
	struct msgbuf *m = outq_pop(&s->out);

	charge(s, before);
	if (m)
		counter_add(&s->hub->counters.frames_out, 1);
	return m;
}

bool session_has_output(const struct session *s)
{
	return s->out.n > 0;
}
