/* Socket.IO 5 on Engine.IO 4, over a websocket from the start. What events are called is between client and server;
 * here
 *
 *   "join" room             with an acknowledgement; a user's messages come to the room of the user's name
 *   "publish" room payload  with an acknowledgement
 *   "message" [room] payload */
#include "bench/dialect.h"
#include "bench/scan.h"

static void put_query(const struct dialect *dialect, const char *user, struct buf *out)
{
	(void)dialect;
	(void)user;
	buf_puts(out, "EIO=4&transport=websocket");
}

static void put_hello(const struct dialect *dialect, struct buf *out)
{
	(void)dialect;
	buf_puts(out, "40");
}

static void put_join(const struct dialect *dialect, uint32_t target, uint32_t ref, struct buf *out)
{
	const struct bench_name room = dialect_target(dialect, target);

	buf_printf(out, "42%u[\"join\",\"%s\"]", ref, room.text);
}

static void put_publish(const struct dialect *dialect, uint32_t target, uint32_t ref, struct str payload,
                        struct buf *out)
{
	const struct bench_name room = dialect_target(dialect, target);

	buf_printf(out, "42%u[\"publish\",\"%s\",", ref, room.text);
	buf_put_str(out, payload);
	buf_putc(out, ']');
}

static uint32_t target_of(const struct dialect *dialect, struct str room)
{
	uint32_t number;

	if (bench_room_number(dialect->run, room, &number) && number < dialect->rooms)
		return number;
	return bench_user_number(dialect->run, room, &number) ? dialect->rooms + number : TARGET_STRANGE;
}

/* Behind `["message",`. */
static void hear_message(const struct dialect *dialect, struct str text, struct heard *out)
{
	const char *quote = text.n > 1 && *text.p == '"' ? memchr(text.p + 1, '"', text.n - 1) : NULL;

	*out = (struct heard){.kind = HEARD_PUSH, .target = TARGET_UNNAMED};
	if (quote) {
		out->target = target_of(dialect, (struct str){text.p + 1, (size_t)(quote - text.p - 1)});
		text = (struct str){quote + 1, text.n - (size_t)(quote + 1 - text.p)};
		if (text.n && *text.p == ',')
			text = (struct str){text.p + 1, text.n - 1};
	}
	if (text.n && text.p[text.n - 1] == ']')
		out->payload = (struct str){text.p, text.n - 1};
}

static void hear_packet(const struct dialect *dialect, struct str text, struct heard *out)
{
	static const struct str message = {"42[\"message\",", sizeof("42[\"message\",") - 1};
	struct scan connected;

	*out = (struct heard){.kind = HEARD_NOTHING};
	if (str_starts(text, message)) {
		hear_message(dialect, (struct str){text.p + message.n, text.n - message.n}, out);
	} else if (str_starts(text, STR("43"))) {
		*out = (struct heard){
		    .kind = HEARD_ANSWER, .ok = true, .ref = (uint32_t)scan_number((struct str){text.p + 2, text.n - 2})};
	} else if (str_starts(text, STR("40"))) {
		bool scanned = scan_frame((struct str){text.p + 2, text.n - 2}, &connected);
		*out = (struct heard){.kind = HEARD_WELCOME, .session = scanned ? connected.sid : STR("")};
	} else if (str_eq(text, STR("2"))) {
		out->kind = HEARD_PING;
	}
}

static int hear(const struct dialect *dialect, struct str *in, struct heard *out)
{
	hear_packet(dialect, *in, out);
	*in = (struct str){in->p + in->n, 0};
	return 0;
}

const struct dialect_ops dialect_socketio = {
    .path = "/socket.io/",
    .answers = DIALECT_ANSWERS_EACH,
    .joins = DIALECT_JOINS_ROOMS | DIALECT_JOINS_USER,
    .pong = "3",
    .put_query = put_query,
    .put_hello = put_hello,
    .put_join = put_join,
    .put_publish = put_publish,
    .hear = hear,
};
