/* The grid's own words: docs/protocol.md, section 2. */
#include "bench/dialect.h"
#include "bench/scan.h"

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

static int hear(const struct dialect *dialect, struct str *in, struct heard *out)
{
	struct scan frame;
	bool good = scan_frame(*in, &frame);

	*in = (struct str){in->p + in->n, 0};
	out->kind = HEARD_NOTHING;
	if (!good)
		return 0;
	if (str_eq(frame.op, STR("message"))) {
		out->kind = HEARD_PUSH;
		out->payload = frame.data;
		if (!bench_room_number(dialect->run, frame.room, &out->target) || out->target >= dialect->rooms)
			out->target = TARGET_STRANGE;
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
