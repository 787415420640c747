/* NATS over a websocket: its client protocol as a stream of bytes, however it is cut into messages. A room or user is a
 * subject of its name; the id of a subscription is the number of its target.
 *
 *   CONNECT {…}                  ◀─ INFO {…}: the welcome
 *   SUB <subject> <sid>
 *   PUB <subject> <bytes>        ◀─ MSG <subject> <sid> <bytes>
 *   PING                         ◀─ PONG: all before it is done */
#include "bench/dialect.h"
#include "bench/scan.h"

#define CONNECT                                                                                                        \
	"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":true,\"lang\":\"c\",\"name\":\"gridbench\",\"protocol\":1"

static void put_hello(const struct dialect *dialect, struct buf *out)
{
	buf_puts(out, CONNECT);
	if (dialect->login.p)
		buf_printf(out, ",\"user\":\"%.*s\",\"pass\":\"%.*s\"", STR_ARG(dialect->login), STR_ARG(dialect->password));
	buf_puts(out, "}\r\n");
}

static void put_join(const struct dialect *dialect, uint32_t target, uint32_t ref, struct buf *out)
{
	const struct bench_name subject = dialect_target(dialect, target);

	(void)ref;
	buf_printf(out, "SUB %s %u\r\n", subject.text, target);
}

static void put_publish(const struct dialect *dialect, uint32_t target, uint32_t ref, struct str payload,
                        struct buf *out)
{
	const struct bench_name subject = dialect_target(dialect, target);

	(void)ref;
	buf_printf(out, "PUB %s %zu\r\n", subject.text, payload.n);
	buf_put_str(out, payload);
	buf_puts(out, "\r\n");
}

/* Past the next blank of the line; its end when there is none. */
static struct str next_word(struct str line)
{
	const char *blank = line.n ? memchr(line.p, ' ', line.n) : NULL;
	size_t n = blank ? (size_t)(blank + 1 - line.p) : line.n;

	return (struct str){line.p + n, line.n - n};
}

/* `line` is what stands behind MSG: subject, sid, perhaps where to answer, bytes. What follows it is in `rest`. */
static int hear_message(struct str line, struct str *rest, struct heard *out)
{
	struct str sid = next_word(line);
	struct str bytes = next_word(sid);
	struct str more = next_word(bytes);
	uint64_t n = scan_number(more.n ? more : bytes);

	if (rest->n < 2 || n > rest->n - 2)
		return DIALECT_E_MORE;
	out->kind = HEARD_PUSH;
	out->target = (uint32_t)scan_number(sid);
	out->payload = (struct str){rest->p, (size_t)n};
	*rest = (struct str){rest->p + n + 2, rest->n - (size_t)n - 2};
	return 0;
}

static enum heard_kind kind_of(struct str line)
{
	static const struct {
		struct str start;
		enum heard_kind kind;
	} rows[] = {
	    {{"INFO", 4}, HEARD_WELCOME},
	    {{"PONG", 4}, HEARD_SYNCED},
	    {{"PING", 4}, HEARD_PING},
	};

	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++)
		if (str_starts(line, rows[i].start))
			return rows[i].kind;
	return HEARD_NOTHING;
}

static int hear(const struct dialect *dialect, struct str *in, struct heard *out)
{
	const char *end = memchr(in->p, '\n', in->n);

	(void)dialect;
	if (!end)
		return DIALECT_E_MORE;
	struct str line = {in->p, (size_t)(end - in->p)};
	struct str rest = {end + 1, in->n - line.n - 1};
	if (str_starts(line, STR("MSG "))) {
		int r = hear_message(next_word(line), &rest, out);
		if (r != 0)
			return r;
	} else {
		*out = (struct heard){.kind = kind_of(line), .session = STR("nats")};
	}
	*in = rest;
	return 0;
}

const struct dialect_ops dialect_nats = {
    .path = "/",
    .answers = DIALECT_ANSWERS_SYNC,
    .joins = DIALECT_JOINS_ROOMS | DIALECT_JOINS_USER,
    .pong = "PONG\r\n",
    .sync = "PING\r\n",
    .put_hello = put_hello,
    .put_join = put_join,
    .put_publish = put_publish,
    .hear = hear,
};
