/* The stream of absent users' messages, by the commands that are sent and the answers that come. */
#include <fcntl.h>

#include "bus/redis/driver_state.h"
#include "check_main.h"

#define TURN_MS 30000

static struct redis r;
static struct metric_registry metrics;
static struct bus_config config;
static size_t looked_at; /* of what was to be sent */
static int told;         /* how many were lent; -1: nothing was told */
static char told_id[32];
static const redisReply *coming;

/* A bus around it, that hears one answer in each turn. */
static int stub_open(struct bus *bus, const struct bus_config *c, const struct bus_env *env, void **implp)
{
	(void)c, (void)env;
	r.bus = bus;
	*implp = &r;
	return 0;
}

static void stub_close(void *impl)
{
	(void)impl;
}

static bool stub_turn(void *impl, uint64_t now_ms)
{
	(void)impl, (void)now_ms;
	store_on_answer(&r, coming);
	return false;
}

static void on_stored(void *ctx, const struct bus_stored *stored, size_t n)
{
	(void)ctx;
	told = (int)n;
	if (n)
		snprintf(told_id, sizeof(told_id), "%.*s", STR_ARG(stored[0].message.body));
}

static void setup(void)
{
	static const struct bus_driver driver = {.name = "stub", .open = stub_open, .close = stub_close, .turn = stub_turn};
	static const struct bus_upcalls upcalls = {.stored = on_stored};
	const struct bus_env env = {.upcalls = &upcalls, .node_id = "n", .epoch = "E", .metrics = &metrics};
	struct bus *bus;

	log_set_level((enum log_level) - 1);
	memset(&r, 0, sizeof(r));
	r.config = &config;
	r.node_id = strdup("n7");
	r.state = BUS_UP;
	r.now_ms = 1000;
	r.publisher.state = PIPELINE_UP;
	r.publisher.context = redisConnectFd(open("/dev/null", O_RDWR | O_CLOEXEC));
	ck_assert_int_eq(redis_names_init(&r.names, "grid", "n7", "E"), 0);
	ck_assert_int_eq(bus_open_driver(&driver, NULL, &config, &env, &bus), 0);
	looked_at = 0;
	told = -1;
}

static void teardown(void)
{
	bus_close(r.bus);
	redisFree(r.publisher.context);
	free(r.node_id);
}

/* What has been asked since the last look, as it goes over the wire. */
static const char *asked(void)
{
	const char *all = r.publisher.context->obuf, *fresh = all + looked_at;
	looked_at = strlen(all);
	return fresh;
}

/* As Redis would say it. */
static void answer(const char *text)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	ck_assert_int_eq(redisReaderFeed(reader, text, strlen(text)), REDIS_OK);
	ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
	ck_assert_ptr_nonnull(reply);
	coming = reply;
	bus_turn(r.bus, r.now_ms);
	freeReplyObject(reply);
	redisReaderFree(reader);
}

#define OK "+OK\r\n"
#define NIL "$-1\r\n"
#define ONE ":1\r\n"
#define FOR_7                                                                                                          \
	"*1\r\n*2\r\n$3\r\n5-1\r\n*6\r\n$3\r\nkey\r\n$6\r\nuser.7\r\n$10\r\nproperties\r\n$2\r\n{}\r\n$4\r\nbody\r\n$"     \
	"4\r\n\"hi\"\r\n"
#define FOR_NOBODY                                                                                                     \
	"*2\r\n*2\r\n$3\r\n5-1\r\n*4\r\n$3\r\nkey\r\n$6\r\nroom.7\r\n$4\r\nbody\r\n$1\r\n1\r\n"                            \
	"*2\r\n$3\r\n5-2\r\n*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n"

/* One message for user 7 is there, and lent. */
static void lend(void)
{
	ck_assert_int_eq(store_fetch(&r), 0);
	answer(OK);
	answer(FOR_7);
	ck_assert_int_eq(r.store.step, STORE_LENT);
	asked();
}

START_TEST(in_turn)
{
	ck_assert_int_eq(store_fetch(&r), 0);
	ck_assert_ptr_nonnull(strstr(asked(), "grid.offline.turn\r\n$2\r\nn7\r\n$2\r\nNX\r\n$2\r\nPX\r\n$5\r\n30000"));
	ck_assert_int_eq(store_fetch(&r), BUS_E_BUSY);
	answer(OK);
	ck_assert_ptr_nonnull(
	    strstr(asked(), "XRANGE\r\n$12\r\ngrid.offline\r\n$1\r\n-\r\n$1\r\n+\r\n$5\r\nCOUNT\r\n$2\r\n32"));
	answer(FOR_7);
	ck_assert_int_eq(told, 1);
	ck_assert_str_eq(told_id, "\"hi\"");
	ck_assert_int_eq(store_moved(&r, 1), 0);
	ck_assert_ptr_nonnull(strstr(asked(), "XDEL\r\n$12\r\ngrid.offline\r\n$3\r\n5-1"));
	answer(ONE);
	ck_assert_ptr_nonnull(strstr(asked(), "DEL\r\n$17\r\ngrid.offline.turn"));
	answer(ONE);
	ck_assert_int_eq(r.store.step, STORE_IDLE);
}
END_TEST

START_TEST(anothers_turn)
{
	ck_assert_int_eq(store_fetch(&r), 0);
	asked();
	answer(NIL);
	ck_assert_int_eq(told, 0);
	ck_assert_int_eq(r.store.step, STORE_IDLE);
	ck_assert_str_eq(asked(), "");
}
END_TEST

/* It ended by itself: what is there by now is another's, and not to be deleted. */
START_TEST(a_turn_that_is_over_is_not_given_back)
{
	lend();
	r.now_ms += TURN_MS;
	store_on_subscriber_lost(&r);
	ck_assert_str_eq(asked(), "");
	ck_assert_int_eq(r.store.step, STORE_IDLE);
	lend();
	ck_assert_int_eq(store_moved(&r, 1), 0);
	asked();
	r.now_ms += TURN_MS;
	answer(ONE);
	ck_assert_str_eq(asked(), "");
	ck_assert_int_eq(r.store.step, STORE_IDLE);
}
END_TEST

START_TEST(nobody_says_what_became_of_them)
{
	lend();
	store_on_subscriber_lost(&r);
	ck_assert_ptr_nonnull(strstr(asked(), "DEL\r\n$17\r\ngrid.offline.turn"));
	store_on_lost(&r);
	ck_assert_int_eq(r.store.step, STORE_IDLE);
}
END_TEST

/* Whoever put them there: they stay, and what comes after them is read the next time. */
START_TEST(entries_that_are_none_of_ours)
{
	ck_assert_int_eq(store_fetch(&r), 0);
	answer(OK);
	answer(FOR_NOBODY);
	ck_assert_int_eq(told, 0);
	answer(ONE);
	asked();
	ck_assert_int_eq(store_fetch(&r), 0);
	answer(OK);
	ck_assert_ptr_nonnull(strstr(asked(), "\r\n(5-2\r\n$1\r\n+"));
}
END_TEST

START_TEST(a_refusal_ends_it)
{
	ck_assert_int_eq(store_fetch(&r), 0);
	answer("-NOPERM\r\n");
	ck_assert_int_eq(told, 0);
	ck_assert_int_eq(r.store.step, STORE_IDLE);
}
END_TEST

CHECK_MAIN_WITH("bus.redis_store", setup, teardown, in_turn, anothers_turn, a_turn_that_is_over_is_not_given_back,
                nobody_says_what_became_of_them, entries_that_are_none_of_ours, a_refusal_ends_it)
