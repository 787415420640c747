/* Dialects: what is said, and what is heard, whole or in pieces. */
#include "bench/dialect.h"

#include <stdlib.h>

#include "bench/payload.h"
#include "check_main.h"

#define ROOMS 10
#define USER_3 (ROOMS + 3)
#define RUN STR("x")
#define BODY "{\"some\":\"payload\"}"

static struct buf out;
static struct heard heard;

static struct dialect of(const struct dialect_ops *ops)
{
	return (struct dialect){.ops = ops,
	                        .run = RUN,
	                        .rooms = ROOMS,
	                        .prefix = "grid",
	                        .login = STR("me"),
	                        .password = STR("secret"),
	                        .payload_size = payload_size(RUN, 128)};
}

/* What a dialect says to join a target as request 7, and to publish to it. */
static void says(const struct dialect_ops *ops, uint32_t target, struct str join, struct str publish)
{
	const struct dialect dialect = of(ops);

	if (join.p) {
		buf_reset(&out);
		ops->put_join(&dialect, target, 7, &out);
		ck_assert_msg(str_eq(buf_str(&out), join), "%.*s", STR_ARG(buf_str(&out)));
	}
	buf_reset(&out);
	ops->put_publish(&dialect, target, 7, STR(BODY), &out);
	ck_assert_msg(str_eq(buf_str(&out), publish), "%.*s", STR_ARG(buf_str(&out)));
	buf_deinit(&out);
}

/* Takes one thing off `text`, which must be all of it; in memory that ends where the text does. */
static enum heard_kind hears(const struct dialect_ops *ops, struct str text)
{
	const struct dialect dialect = of(ops);
	struct str in = text;

	heard = (struct heard){.target = 0};
	ck_assert_int_eq(ops->hear(&dialect, &in, &heard), 0);
	ck_assert_uint_eq(in.n, 0);
	return heard.kind;
}

static void pushes(const struct dialect_ops *ops, struct str text, uint32_t target, struct str payload)
{
	ck_assert_int_eq(hears(ops, text), HEARD_PUSH);
	ck_assert_uint_eq(heard.target, target);
	ck_assert_msg(str_eq(heard.payload, payload), "%.*s", STR_ARG(heard.payload));
}

static void answers(const struct dialect_ops *ops, struct str text, bool ok)
{
	ck_assert_int_eq(hears(ops, text), HEARD_ANSWER);
	ck_assert(heard.ok == ok);
	ck_assert_uint_eq(heard.ref, 7);
}

/* A stream that is cut anywhere is waited for, and left as it was. */
static void waits(const struct dialect_ops *ops, struct str text)
{
	const struct dialect dialect = of(ops);

	for (size_t n = 1; n < text.n; n++) {
		char *exact = malloc(n);
		memcpy(exact, text.p, n);
		struct str in = {exact, n};
		ck_assert_int_eq(ops->hear(&dialect, &in, &heard), DIALECT_E_MORE);
		ck_assert(in.p == exact && in.n == n);
		free(exact);
	}
}

START_TEST(each_has_a_name)
{
	size_t n = 0;

	while (dialect_names[n]) {
		ck_assert_ptr_nonnull(dialect_list[n]);
		ck_assert(dialect_list[n]->joins == 0 || dialect_list[n]->put_join);
		ck_assert((dialect_list[n]->answers == DIALECT_ANSWERS_SYNC) == (dialect_list[n]->sync != NULL));
		n++;
	}
	ck_assert_ptr_eq(dialect_list[0], &dialect_grid);
}
END_TEST

START_TEST(grid)
{
	says(&dialect_grid, 3, STR("{\"op\":\"join\",\"ref\":7,\"room\":\"bench-x.3\"}"),
	     STR("{\"op\":\"publish\",\"ref\":7,\"room\":\"bench-x.3\",\"data\":" BODY "}"));
	says(&dialect_grid, USER_3, STR_NONE,
	     STR("{\"op\":\"publish\",\"ref\":7,\"user\":\"bench-x-3\",\"data\":" BODY "}"));
	ck_assert_int_eq(hears(&dialect_grid, STR("{\"op\":\"welcome\",\"session\":\"01K\",\"heartbeat\":25}")),
	                 HEARD_WELCOME);
	ck_assert(str_eq(heard.session, STR("01K")));
	ck_assert_uint_eq(heard.period_ms, 25000);
	answers(&dialect_grid, STR("{\"op\":\"ok\",\"ref\":7}"), true);
	answers(&dialect_grid, STR("{\"op\":\"error\",\"ref\":7,\"code\":\"unavailable\"}"), false);
	ck_assert_int_eq(hears(&dialect_grid, STR("{\"op\":\"bye\",\"retry_ms\":12}")), HEARD_BYE);
	ck_assert_uint_eq(heard.retry_ms, 12);
	ck_assert_int_eq(hears(&dialect_grid, STR("{\"op\":\"bye\"}")), HEARD_BYE);
	ck_assert_uint_eq(heard.retry_ms, UINT64_MAX);
	ck_assert_int_eq(hears(&dialect_grid, STR("{\"op\":\"error\",\"code\":\"bad_json\"}")), HEARD_NOTHING);
	ck_assert_int_eq(hears(&dialect_grid, STR("no JSON")), HEARD_NOTHING);
}
END_TEST

/* With a payload of the run's size at the end, and with anything else: found either way. */
START_TEST(grid_pushes)
{
	struct buf data GRID_CLEANUP(buf_deinit) = BUF_INIT;
	static const struct {
		const char *head, *tail;
		uint32_t target;
	} rows[] = {
	    {"{\"op\":\"message\",\"room\":\"bench-x.3\",\"id\":\"01K\",\"data\":", "}", 3},
	    {"{\"op\":\"message\",\"room\":\"bench-x.3\",\"data\":", ",\"more\":1}", 3},
	    {"{\"room\":\"bench-x.3\",\"op\":\"message\",\"data\":", "}", 3},
	    {"{\"op\":\"message\",\"room\":\"bench-x.10\",\"data\":", "}", TARGET_STRANGE},
	    {"{\"op\":\"message\",\"room\":\"bench-y.3\",\"data\":", "}", TARGET_STRANGE},
	    {"{\"op\":\"message\",\"room\":\"xbench-x.3\",\"data\":", "}", TARGET_STRANGE},
	    {"{\"op\":\"message\",\"data\":", "}", TARGET_STRANGE},
	    {"{\"op\":\"notify\",\"id\":\"01K\",\"data\":", "}", TARGET_SELF},
	    {"{ \"op\":\"notify\",\"id\":\"01K\",\"data\":", "}", TARGET_SELF},
	};

	payload_put(&data, RUN, &(struct payload){{1, 3, 5}, 99}, ROOMS, 128);
	for (size_t i = 0; i < GRID_ARRAY_LEN(rows); i++) {
		struct buf text GRID_CLEANUP(buf_deinit) = BUF_INIT;
		buf_printf(&text, "%s%.*s%s", rows[i].head, STR_ARG(buf_str(&data)), rows[i].tail);
		pushes(&dialect_grid, buf_str(&text), rows[i].target, buf_str(&data));
	}
	pushes(&dialect_grid, STR("{\"op\":\"message\",\"room\":\"bench-x.3\",\"data\":1}"), 3, STR("1"));
	ck_assert_int_eq(hears(&dialect_grid, STR("{\"op\":\"message\",\"room\":\"bench-x.3\",\"text\":\"1\"}")),
	                 HEARD_PUSH);
	ck_assert_ptr_null(heard.payload.p);
}
END_TEST

START_TEST(plain)
{
	says(&dialect_plain, 3, STR_NONE, STR(BODY));
	pushes(&dialect_plain, STR(BODY), TARGET_UNNAMED, STR(BODY));
}
END_TEST

START_TEST(nats)
{
	says(&dialect_nats, 3, STR("SUB bench-x.3 3\r\n"), STR("PUB bench-x.3 18\r\n" BODY "\r\n"));
	says(&dialect_nats, USER_3, STR("SUB bench-x-3 13\r\n"), STR("PUB bench-x-3 18\r\n" BODY "\r\n"));
	ck_assert_int_eq(hears(&dialect_nats, STR("INFO {\"server_id\":\"N\"}\r\n")), HEARD_WELCOME);
	ck_assert_int_eq(hears(&dialect_nats, STR("PONG\r\n")), HEARD_SYNCED);
	ck_assert_int_eq(hears(&dialect_nats, STR("PING\r\n")), HEARD_PING);
	ck_assert_int_eq(hears(&dialect_nats, STR("-ERR 'Unknown Protocol Operation'\r\n")), HEARD_NOTHING);
	pushes(&dialect_nats, STR("MSG bench-x.3 3 18\r\n" BODY "\r\n"), 3, STR(BODY));
	pushes(&dialect_nats, STR("MSG bench-x.3 3 inbox.1 18\r\n" BODY "\r\n"), 3, STR(BODY));
	waits(&dialect_nats, STR("MSG bench-x.3 3 18\r\n" BODY "\r\n"));
	waits(&dialect_nats, STR("PONG\r\n"));
}
END_TEST

START_TEST(stomp)
{
	static const char message[] = "MESSAGE\nsubscription:3\ndestination:/exchange/grid.rooms/room.bench-x.3\n"
	                              "content-length:18\n\n" BODY;
	static const char unsized[] = "MESSAGE\nmessage-id:T_3\nsubscription:3\n\n" BODY;

	says(&dialect_stomp, 3,
	     STR("SUBSCRIBE\nid:3\nack:auto\nreceipt:7\ndestination:/exchange/grid.rooms/room.bench-x.3\n\n\0"),
	     STR("SEND\ncontent-type:application/json\ncontent-length:18\nreceipt:7\n"
	         "destination:/exchange/grid.rooms/room.bench-x.3\n\n" BODY "\0"));
	says(&dialect_stomp, USER_3,
	     STR("SUBSCRIBE\nid:13\nack:auto\nreceipt:7\ndestination:/exchange/grid.users/user.bench-x-3\n\n\0"),
	     STR("SEND\ncontent-type:application/json\ncontent-length:18\nreceipt:7\n"
	         "destination:/exchange/grid.users/user.bench-x-3\n\n" BODY "\0"));
	ck_assert_int_eq(hears(&dialect_stomp, STR("CONNECTED\nsession:s-1\nversion:1.2\n\n\0")), HEARD_WELCOME);
	ck_assert(str_eq(heard.session, STR("s-1")));
	answers(&dialect_stomp, STR("RECEIPT\nreceipt-id:7\n\n\0"), true);
	answers(&dialect_stomp, STR("ERROR\nreceipt-id:7\nmessage:no\n\nwhy\0"), false);
	ck_assert_int_eq(hears(&dialect_stomp, STR("ERROR\nmessage:no\n\nwhy\0")), HEARD_NOTHING);
	ck_assert_int_eq(hears(&dialect_stomp, STR("\n")), HEARD_NOTHING);
	/* The NUL behind the body is the literal's own. */
	pushes(&dialect_stomp, (struct str){message, sizeof(message)}, 3, STR(BODY));
	pushes(&dialect_stomp, (struct str){unsized, sizeof(unsized)}, 3, STR(BODY));
	waits(&dialect_stomp, (struct str){message, sizeof(message)});
	waits(&dialect_stomp, (struct str){unsized, sizeof(unsized)});
}
END_TEST

START_TEST(socketio)
{
	says(&dialect_socketio, 3, STR("427[\"join\",\"bench-x.3\"]"), STR("427[\"publish\",\"bench-x.3\"," BODY "]"));
	says(&dialect_socketio, USER_3, STR("427[\"join\",\"bench-x-3\"]"), STR("427[\"publish\",\"bench-x-3\"," BODY "]"));
	ck_assert_int_eq(hears(&dialect_socketio, STR("0{\"sid\":\"engine\",\"pingInterval\":25000}")), HEARD_NOTHING);
	ck_assert_int_eq(hears(&dialect_socketio, STR("40{\"sid\":\"s-1\"}")), HEARD_WELCOME);
	ck_assert(str_eq(heard.session, STR("s-1")));
	ck_assert_int_eq(hears(&dialect_socketio, STR("2")), HEARD_PING);
	ck_assert_int_eq(hears(&dialect_socketio, STR("44{\"message\":\"no\"}")), HEARD_NOTHING);
	answers(&dialect_socketio, STR("437[]"), true);
	pushes(&dialect_socketio, STR("42[\"message\"," BODY "]"), TARGET_UNNAMED, STR(BODY));
	pushes(&dialect_socketio, STR("42[\"message\",\"bench-x.3\"," BODY "]"), 3, STR(BODY));
	pushes(&dialect_socketio, STR("42[\"message\",\"bench-x-3\"," BODY "]"), USER_3, STR(BODY));
	pushes(&dialect_socketio, STR("42[\"message\",\"lobby\"," BODY "]"), TARGET_STRANGE, STR(BODY));
	ck_assert_int_eq(hears(&dialect_socketio, STR("42[\"message\",")), HEARD_PUSH);
	ck_assert_ptr_null(heard.payload.p);
}
END_TEST

CHECK_MAIN("bench.dialect", each_has_a_name, grid, grid_pushes, plain, nats, stomp, socketio)
