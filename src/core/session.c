#include "core/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/log.h"
#include "core/auth.h"
#include "core/drain.h"
#include "core/fanout.h"
#include "core/hub_impl.h"
#include "core/session_impl.h"
#include "wire/frame.h"

#define FAULTS_MAX 100 /* more bad requests than this at once, or one a second for long, end in 4005 */
#define RETRY_MS 2000

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
	bool pause = s->state == SESSION_OPENING || s->parked > 0 || s->hub->draining;

	if (pause == s->paused || s->state == SESSION_CLOSING)
		return;
	s->paused = pause;
	s->hub->transport->pause(s->conn, pause);
}

/* --- what goes out ------------------------------------------------------------------------------------------------ */

void session_push_text(struct session *s, struct buf *json)
{
	struct msgbuf *frame = json->failed ? NULL : frame_text(buf_str(json));

	buf_reset(json);
	if (frame)
		session_push(s, frame);
	else
		session_too_slow(s); /* an answer lost for want of memory must not go unnoticed: the client comes back */
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
	fanout_welcomed(s);
	session_update_pause(s);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

/* The own key is the last in the list, having been the first. */
static void leave_rooms(struct session *s)
{
	while (s->subs != s->own)
		topics_unsubscribe(&s->hub->topics, s->subs, &s->subs, s->hub->now.mono_ms);
	s->rooms = 0;
}

static void leave_own(struct session *s)
{
	if (s->own)
		topics_unsubscribe(&s->hub->topics, s->own, &s->subs, s->hub->now.mono_ms);
	s->own = NULL;
}

void session_let_go(struct session *s)
{
	publishes_forget_session(s);
	leave_rooms(s);
	if (s->own && s->own->waiting)
		leave_own(s);
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
		drain_bye(s);
		return;
	}
	if (!hub->was_up) {
		session_bye(s, "unavailable", RETRY_MS, CLOSE_TRY_LATER, "the bus is not there yet");
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
	struct session *s = aligned_alloc(alignof(struct session), sizeof(*s));
	if (!s)
		return NULL;
	hub->now = now;
	*s = (struct session){.hub = hub, .conn = conn};
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
	leave_own(s);
	hub_pump(hub);
	session_drop_output(s);
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
