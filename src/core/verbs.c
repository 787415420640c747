#include "core/verbs.h"

#include <stdlib.h>

#include "core/hub_impl.h"
#include "core/session_impl.h"

#define TYPE_MAX 255 /* AMQP's `type` is a short string */

/* A request that did not read well: the sentence, and the error it is. */
static void fail_field(struct session *s, struct request *req, const char *sentence)
{
	session_fail(s, req->ref, ERROR_BAD_REQUEST, sentence);
}

static void ok_room(struct session *s, struct str ref, const struct key *room)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	char name[NAME_ENCODED_MAX];

	if (!ref.p)
		return;
	session_begin_ok(&out, ref);
	buf_puts(&out, ",\"room\":");
	json_put_string(&out, (struct str){name, key_name(room, name)});
	buf_putc(&out, '}');
	session_push_text(s, &out);
}

/* The key of the request's `room`. False: answered already. */
static bool read_room(struct session *s, struct request *req, struct key *room)
{
	struct str name;

	if (request_string(req, "room", &name) != 0) {
		fail_field(s, req, "room must be a string");
		return false;
	}
	if (key_from_name(KEY_ROOM, name, room) != 0) {
		session_fail(s, req->ref, ERROR_BAD_NAME, NULL);
		return false;
	}
	return true;
}

static struct subscription *find_subscription(struct session *s, const struct key *room)
{
	struct topic *topic = topics_find(&s->hub->topics, room);

	for (struct subscription *sub = topic ? s->subs : NULL; sub; sub = sub->session_next)
		if (sub->topic == topic)
			return sub;
	return NULL;
}

static struct subscription *subscribe_room(struct session *s, struct request *req, const struct key *room)
{
	struct subscription *sub;

	if (bus_state(s->hub->bus) == BUS_DOWN) {
		session_fail(s, req->ref, ERROR_UNAVAILABLE, NULL);
		return NULL;
	}
	if (s->rooms >= (uint32_t)s->hub->config->limits.rooms) {
		session_fail(s, req->ref, ERROR_TOO_MANY, NULL);
		return NULL;
	}
	if (topics_subscribe(&s->hub->topics, room, s, &s->subs, &sub) != 0) {
		session_fail(s, req->ref, ERROR_INTERNAL, NULL);
		return NULL;
	}
	s->rooms++;
	return sub;
}

static void unsubscribe_room(struct session *s, struct subscription *sub, struct now now)
{
	topics_unsubscribe(&s->hub->topics, sub, &s->subs, now.mono_ms);
	s->rooms--;
}

/* Answers later. A first join that cannot even wait is undone: nobody is in a room of which he was told that he is not.
 */
static void wait_for_topic(struct session *s, struct request *req, struct subscription *sub, struct now now)
{
	int rc = subscription_wait(sub, req->ref);

	if (rc == TOPICS_E_TOO_MANY)
		session_fail(s, req->ref, ERROR_TOO_MANY, "this room has been asked for often enough; wait for the answer");
	else if (rc != 0)
		session_fail(s, req->ref, ERROR_INTERNAL, NULL);
	if (!sub->waiters)
		unsubscribe_room(s, sub, now);
}

static void verb_join(struct session *s, struct request *req, struct now now)
{
	struct key room;

	if (request_member(req, "since").p || request_member(req, "last").p) {
		fail_field(s, req, "since and last are reserved for replay, which this version has not");
		return;
	}
	if (!read_room(s, req, &room))
		return;
	struct subscription *sub = find_subscription(s, &room);
	if (!sub)
		sub = subscribe_room(s, req, &room);
	if (!sub)
		return;
	if (!sub->waiting) {
		ok_room(s, req->ref, &room);
		return;
	}
	wait_for_topic(s, req, sub, now);
	hub_pump(s->hub);
}

void verbs_join_done(struct subscription *sub)
{
	for (struct waiter *w; (w = subscription_next_waiter(sub)); free(w))
		if (w->ref_len)
			ok_room(sub->session, (struct str){w->ref, w->ref_len}, &sub->topic->key);
}

void verbs_join_failed(struct subscription *sub, enum error_code code, const char *message)
{
	struct session *s = sub->session;

	for (struct waiter *w; (w = subscription_next_waiter(sub)); free(w))
		session_fail(s, w->ref_len ? (struct str){w->ref, w->ref_len} : STR_NONE, code, message);
}

static void verb_leave(struct session *s, struct request *req, struct now now)
{
	struct key room;

	if (!read_room(s, req, &room))
		return;
	struct subscription *sub = find_subscription(s, &room);
	if (!sub) {
		session_fail(s, req->ref, ERROR_NOT_JOINED, NULL);
		return;
	}
	verbs_join_failed(sub, ERROR_NOT_JOINED, "left again before the join was done");
	unsubscribe_room(s, sub, now);
	ok_room(s, req->ref, &room);
	hub_pump(s->hub);
}

static bool is_plain_text(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			return false;
	return true;
}

/* `type`, `id`, `echo`, `data`. NULL, or the sentence that says what is wrong. */
static const char *read_message(struct request *req, struct message *m)
{
	bool echo = true;
	int rc = request_string(req, "type", &m->type);
	if (rc != 0 && rc != REQUEST_ABSENT)
		return "type must be a string";
	if (rc == 0 && (m->type.n == 0 || m->type.n > TYPE_MAX || !is_plain_text(m->type)))
		return "type must be 1 to 255 bytes without control characters";
	if (rc == 0 && type_reserved(m->type))
		return "types grid.*, receipt and presence are the grid's own";
	rc = request_string(req, "id", &m->id);
	if ((rc != 0 && rc != REQUEST_ABSENT) || (rc == 0 && !message_id_valid(m->id)))
		return "id must be a string of 1 to 64 printable ASCII characters";
	rc = request_bool(req, "echo", &echo);
	if (rc != 0 && rc != REQUEST_ABSENT)
		return "echo must be true or false";
	m->no_echo = !echo;
	m->body = request_member(req, "data");
	return m->body.p ? NULL : "data is missing";
}

/* `room` or `user`. False: answered already. */
static bool read_target(struct session *s, struct request *req, struct key *key)
{
	bool to_user = request_member(req, "user").p;
	struct str name;

	if (to_user == (bool)request_member(req, "room").p) {
		fail_field(s, req, "publish wants either room or user");
		return false;
	}
	if (!to_user)
		return read_room(s, req, key);
	if (request_string(req, "user", &name) != 0) {
		fail_field(s, req, "user must be a string");
		return false;
	}
	if (key_from_name(KEY_USER, name, key) != 0) {
		session_fail(s, req->ref, ERROR_BAD_NAME, NULL);
		return false;
	}
	return true;
}

static void verb_publish(struct session *s, struct request *req, struct now now)
{
	struct hub *hub = s->hub;
	struct message m = {.ts = now.unix_ms, .session = {s->id.text, ULID_LEN}, .origin = str_from(hub->origin)};
	struct ulid id;
	struct key key;
	char user[NAME_ENCODED_MAX];

	if (!read_target(s, req, &key))
		return;
	const char *wrong = read_message(req, &m);
	if (wrong) {
		fail_field(s, req, wrong);
		return;
	}
	if (!m.id.p) {
		ulid_next(&hub->ids, now.unix_ms, &id);
		m.id = (struct str){id.text, ULID_LEN};
	}
	m.from = session_user(s, user);
	m.content_type = STR("application/json");
	if (publishes_start(&hub->publishes, hub->bus, s, req->ref, &key, &m, now.mono_ms) != 0)
		session_fail(s, req->ref, ERROR_INTERNAL, NULL);
}

static void verb_ping(struct session *s, struct request *req, struct now now)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;

	session_begin_ok(&out, req->ref);
	buf_puts(&out, ",\"ts\":");
	buf_put_u64(&out, now.unix_ms);
	buf_putc(&out, '}');
	session_push_text(s, &out);
}

#define VERB(op_, handle_)                                                                                             \
	{                                                                                                                  \
		.op = (op_), .label = "op=\"" op_ "\"", .handle = (handle_)                                                    \
	}

const struct verb verbs[VERB_COUNT] = {
    VERB("join", verb_join),
    VERB("leave", verb_leave),
    VERB("publish", verb_publish),
    VERB("ping", verb_ping),
};

size_t verbs_find(struct str op)
{
	size_t i = 0;
	while (i < VERB_COUNT && !str_eq(str_from(verbs[i].op), op))
		i++;
	return i;
}
