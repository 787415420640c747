#include "redis_common.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct proxy *redis_proxy;

static redisContext *server;

static void connect_to_server(void)
{
	server = redisConnectUnix(getenv("GRID_TEST_REDIS_SOCKET"));
	ck_assert(server && !server->err);
	redis_run("DEL " REDIS_OFFLINE);
	redis_run("CONFIG SET maxmemory 0");
}

static void leave_server(void)
{
	redis_run("CONFIG SET maxmemory 0");
	redisFree(server);
}

static redisReply *do_v(const char *fmt, va_list ap)
{
	redisReply *reply = redisvCommand(server, fmt, ap);
	ck_assert_msg(reply && reply->type != REDIS_REPLY_ERROR, "%s: %s", fmt, reply ? reply->str : server->errstr);
	return reply;
}

redisReply *redis_do(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	redisReply *reply = do_v(fmt, ap);
	va_end(ap);
	return reply;
}

void redis_run(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	freeReplyObject(do_v(fmt, ap));
	va_end(ap);
}

long long redis_publish(const char *channel, const void *payload, size_t n)
{
	redisReply *reply = redis_do("PUBLISH %s %b", channel, payload, n);
	long long receivers = reply->integer;
	freeReplyObject(reply);
	return receivers;
}

long long redis_publish_envelope(const char *channel, const char *signed_for, const struct message *m,
                                 const char *secret)
{
	struct hmac *hmac = NULL;
	struct buf payload = BUF_INIT;

	if (secret)
		ck_assert_int_eq(hmac_new(str_from(secret), &hmac), 0);
	envelope_put(&payload, str_from(signed_for), m, hmac);
	ck_assert(!payload.failed);
	long long receivers = redis_publish(channel, payload.p, payload.n);
	buf_deinit(&payload);
	hmac_free(hmac);
	return receivers;
}

size_t redis_offline(void)
{
	redisReply *reply = redis_do("XLEN " REDIS_OFFLINE);
	size_t n = (size_t)reply->integer;
	freeReplyObject(reply);
	return n;
}

const char *redis_offline_field(const char *field)
{
	static char value[4096];
	redisReply *reply = redis_do("XRANGE " REDIS_OFFLINE " - +");

	ck_assert_uint_eq(reply->elements, 1);
	const redisReply *fields = reply->element[0]->element[1];
	value[0] = '\0';
	for (size_t i = 0; i + 1 < fields->elements; i += 2)
		if (strcmp(fields->element[i]->str, field) == 0)
			snprintf(value, sizeof(value), "%s", fields->element[i + 1]->str);
	freeReplyObject(reply);
	return value;
}

struct node *redis_node_behind_proxy(const char *name)
{
	const char *address;
	char set[256];

	redis_proxy = proxy_open(target.address, &address);
	snprintf(set, sizeof(set),
	         "bus.redis.address=%s;bus.redis.reconnect_min=50ms;bus.redis.reconnect_max=200ms;"
	         "bus.redis.ping_timeout=600ms;bus.redis.connect_timeout=600ms",
	         address);
	return node_up(name, set);
}

void redis_close_behind_proxy(struct node *n)
{
	node_close(n);
	proxy_close(redis_proxy);
}

struct got_state redis_wait_up_again(struct node *n, size_t times)
{
	WAIT_FOR(node_states(n, BUS_DOWN) >= times && node_state(n) == BUS_UP);
	return n->states.p[n->states.n - 1];
}

TCase *redis_case(Suite *suite, const char *name, const TTest *const *tests, size_t n)
{
	TCase *tc = tcase_create(name);
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, connect_to_server, leave_server);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return tc;
}

void redis_add(Suite *suite)
{
	redis_messages_add(suite);
	redis_faults_add(suite);
}
