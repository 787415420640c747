/* The grid's own words: docs/protocol.md, section 2. */
#include "bench/dialect.h"
#include "bench/scan.h"

#define PUSH_ROOM "{\"op\":\"message\",\"room\":\""
#define PUSH_USER "{\"op\":\"notify\","
#define DATA "\"data\":"

static void put_query(const struct dialect *dialect, const char *user, struct buf *out)
{
	(void)dialect;
	buf_printf(out, "user=%s", user);
}

static void put_join(const struct dialect *dialect, uint32_t target, uint32_t ref, struct buf *out)
{
	const struct bench_name room = dialect_target(dialect, target);

	buf_printf(out, "{\"op\":\"join\",\"ref\":%u,\"room\":\"%s\"}", ref, room.text);
}

static void put_publish(const struct dialect *dialect, uint32_t target, uint32_t ref, struct str payload,
                        struct buf *out)
{
	const struct bench_name name = dialect_target(dialect, target);

	buf_printf(out, "{\"op\":\"publish\",\"ref\":%u,\"%s\":\"%s\",\"data\":", ref,
	           target < dialect->rooms ? "room" : "user", name.text);
	buf_put_str(out, payload);
	buf_putc(out, '}');
}

static void hear_welcome(const struct scan *frame, struct heard *out)
{
	out->kind = HEARD_WELCOME;
	out->session = frame->session;
	out->period_ms = scan_number(frame->heartbeat) * 1000;
}

static void hear_answer(const struct scan *frame, struct heard *out)
{
	if (!frame->ref.p)
		return;
	out->kind = HEARD_ANSWER;
	out->ok = str_eq(frame->op, STR("ok"));
	out->ref = (uint32_t)scan_number(frame->ref);
}

static uint32_t room_target(const struct dialect *dialect, struct str room)
{
	uint32_t target;

	return bench_room_number(dialect->run, room, &target) && target < dialect->rooms ? target : TARGET_STRANGE;
}

/* A push as nodes write them: op and room in front, data at the end, which has the size of all payloads. What is found
 * at its place needs no scan of the members between: 12 ns instead of 315. False: it looks different. */
static bool hear_push(const struct dialect *dialect, struct str text, struct heard *out)
{
	static const struct str room_push = {PUSH_ROOM, sizeof(PUSH_ROOM) - 1};
	static const struct str user_push = {PUSH_USER, sizeof(PUSH_USER) - 1};
	bool to_room = str_starts(text, room_push);
	size_t behind = sizeof(DATA) - 1 + dialect->payload_size + sizeof("}") - 1;

	if (text.n < room_push.n + behind || (!to_room && !str_starts(text, user_push)))
		return false;
	const char *data = text.p + text.n - behind;
	if (memcmp(data, DATA, sizeof(DATA) - 1) != 0 || text.p[text.n - 1] != '}')
		return false;
	const char *room = text.p + room_push.n;
	const char *quote = to_room ? memchr(room, '"', (size_t)(data - room)) : NULL;
	if (to_room && !quote)
		return false;
	out->kind = HEARD_PUSH;
	out->target = to_room ? room_target(dialect, (struct str){room, (size_t)(quote - room)}) : TARGET_SELF;
	out->payload = (struct str){data + sizeof(DATA) - 1, dialect->payload_size};
	return true;
}

static void hear_frame(const struct dialect *dialect, struct str text, struct heard *out)
{
	struct scan frame;

	out->kind = HEARD_NOTHING;
	if (!scan_frame(text, &frame))
		return;
	if (str_eq(frame.op, STR("message"))) {
		*out = (struct heard){.kind = HEARD_PUSH, .target = room_target(dialect, frame.room), .payload = frame.data};
	} else if (str_eq(frame.op, STR("notify"))) {
		*out = (struct heard){.kind = HEARD_PUSH, .target = TARGET_SELF, .payload = frame.data};
	} else if (str_eq(frame.op, STR("ok")) || str_eq(frame.op, STR("error"))) {
		hear_answer(&frame, out);
	} else if (str_eq(frame.op, STR("welcome"))) {
		hear_welcome(&frame, out);
	} else if (str_eq(frame.op, STR("bye"))) {
		*out =
		    (struct heard){.kind = HEARD_BYE, .retry_ms = frame.retry_ms.p ? scan_number(frame.retry_ms) : UINT64_MAX};
	}
}

static int hear(const struct dialect *dialect, struct str *in, struct heard *out)
{
	if (!hear_push(dialect, *in, out))
		hear_frame(dialect, *in, out);
	*in = (struct str){in->p + in->n, 0};
	return 0;
}

const struct dialect_ops dialect_grid = {
    .path = "/ws",
    .subprotocol = "grid.v1.json",
    .answers = DIALECT_ANSWERS_EACH,
    .joins = DIALECT_JOINS_ROOMS,
    .ping = "{\"op\":\"ping\"}",
    .put_query = put_query,
    .put_join = put_join,
    .put_publish = put_publish,
    .hear = hear,
};
