/* STOMP 1.2 over a websocket, as RabbitMQ's Web STOMP plugin speaks it. A room or user is the exchange and key that a
 * backend publishes to; the id of a subscription is the number of its target. Every SUBSCRIBE and SEND asks for a
 * RECEIPT: for SEND it comes with the broker's confirm. */
#include "bench/dialect.h"
#include "bench/scan.h"

#define END_OF_HEAD "\n\n"

static void put_hello(const struct dialect *dialect, struct buf *out)
{
	/* No `host`: the plugin's default vhost. It is required by the letter only, and named by nobody here. */
	buf_puts(out, "CONNECT\naccept-version:1.2\nheart-beat:0,0\n");
	if (dialect->login.p)
		buf_printf(out, "login:%.*s\npasscode:%.*s\n", STR_ARG(dialect->login), STR_ARG(dialect->password));
	buf_put(out, "\n", sizeof("\n"));
}

static void put_destination(const struct dialect *dialect, uint32_t target, struct buf *out)
{
	const struct bench_name name = dialect_target(dialect, target);
	bool room = target < dialect->rooms;

	buf_printf(out, "destination:/exchange/%s.%s/%s.%s\n", dialect->prefix, room ? "rooms" : "users",
	           room ? "room" : "user", name.text);
}

static void put_join(const struct dialect *dialect, uint32_t target, uint32_t ref, struct buf *out)
{
	buf_printf(out, "SUBSCRIBE\nid:%u\nack:auto\nreceipt:%u\n", target, ref);
	put_destination(dialect, target, out);
	buf_put(out, "\n", sizeof("\n"));
}

static void put_publish(const struct dialect *dialect, uint32_t target, uint32_t ref, struct str payload,
                        struct buf *out)
{
	buf_printf(out, "SEND\ncontent-type:application/json\ncontent-length:%zu\nreceipt:%u\n", payload.n, ref);
	put_destination(dialect, target, out);
	buf_putc(out, '\n');
	buf_put_str(out, payload);
	buf_putc(out, '\0');
}

/* The value of a header; .p NULL: it is not there. The head ends with a newline. */
static struct str header(struct str head, struct str name)
{
	for (const char *line; head.n && (line = memchr(head.p, '\n', head.n));) {
		head = (struct str){line + 1, head.n - (size_t)(line + 1 - head.p)};
		if (head.n > name.n && str_starts(head, name) && head.p[name.n] == ':') {
			const char *value = head.p + name.n + 1;
			const char *end = memchr(value, '\n', head.n - name.n - 1);
			return end ? (struct str){value, (size_t)(end - value)} : STR_NONE;
		}
	}
	return STR_NONE;
}

/* Takes the body off the front of `rest`, and the NUL behind it. */
static int take_body(struct str head, struct str *rest, struct str *bodyp)
{
	struct str length = header(head, STR("content-length"));
	const char *nul = rest->n ? memchr(rest->p, '\0', rest->n) : NULL;
	uint64_t n = length.p ? scan_number(length) : nul ? (uint64_t)(nul - rest->p) : UINT64_MAX;

	if (n >= rest->n)
		return DIALECT_E_MORE;
	*bodyp = (struct str){rest->p, (size_t)n};
	*rest = (struct str){rest->p + n + 1, rest->n - (size_t)n - 1};
	return 0;
}

static void hear_frame(struct str head, struct str body, struct heard *out)
{
	struct str receipt = header(head, STR("receipt-id"));

	*out = (struct heard){.kind = HEARD_NOTHING};
	if (str_starts(head, STR("MESSAGE\n"))) {
		out->kind = HEARD_PUSH;
		out->target = (uint32_t)scan_number(header(head, STR("subscription")));
		out->payload = body;
	} else if (str_starts(head, STR("CONNECTED\n"))) {
		*out = (struct heard){.kind = HEARD_WELCOME, .session = header(head, STR("session"))};
	} else if (receipt.p) {
		out->kind = HEARD_ANSWER;
		out->ok = str_starts(head, STR("RECEIPT\n")); /* else ERROR */
		out->ref = (uint32_t)scan_number(receipt);
	}
}

static int hear(const struct dialect *dialect, struct str *in, struct heard *out)
{
	(void)dialect;
	if (*in->p == '\n') { /* between frames, or to say that it lives */
		out->kind = HEARD_NOTHING;
		*in = (struct str){in->p + 1, in->n - 1};
		return 0;
	}
	const char *end = memmem(in->p, in->n, END_OF_HEAD, sizeof(END_OF_HEAD) - 1);
	if (!end)
		return DIALECT_E_MORE;
	struct str head = {in->p, (size_t)(end + 1 - in->p)};
	struct str rest = {end + 2, in->n - head.n - 1};
	struct str body;
	int r = take_body(head, &rest, &body);
	if (r != 0)
		return r;
	hear_frame(head, body, out);
	*in = rest;
	return 0;
}

const struct dialect_ops dialect_stomp = {
    .path = "/ws",
    .subprotocol = "v12.stomp",
    .answers = DIALECT_ANSWERS_EACH,
    .joins = DIALECT_JOINS_ROOMS | DIALECT_JOINS_USER,
    .put_hello = put_hello,
    .put_join = put_join,
    .put_publish = put_publish,
    .hear = hear,
};
