/* What comes over Redis, in the order in which core hears of it. */
#include "bus/redis/driver_state.h"
#include "check_main.h"

static struct redis r;
static struct metric_registry metrics;
static struct bus_config config = {.redis = {.trust = true, .max_body = 65536}};
static redisReply *coming[4];
static size_t n_coming;
static char heard[64]; /* a letter for each upcall */

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

/* One read of the socket: all that came, then what is left of the batch. */
static bool stub_turn(void *impl, uint64_t now_ms)
{
	(void)impl, (void)now_ms;
	for (size_t i = 0; i < n_coming; i++)
		inbox_on_message(&r, coming[i]);
	n_coming = 0;
	inbox_flush(&r);
	return false;
}

static void stub_settle(void *impl, struct bus_delivery *delivery, enum bus_settle_how how)
{
	(void)impl;
	inbox_settle(&r, delivery, how);
}

static void on_message(void *ctx, struct bus_delivery *const *batch, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		strcat(heard, "m");
		bus_settle(r.bus, batch[i], BUS_ACCEPTED);
	}
}

static void on_announced(void *ctx, struct str body)
{
	(void)ctx;
	ck_assert(str_eq(body, STR("\"word\"")));
	strcat(heard, "a");
}

static void setup(void)
{
	static const struct bus_driver driver = {
	    .name = "stub", .open = stub_open, .close = stub_close, .turn = stub_turn, .settle = stub_settle};
	static const struct bus_upcalls upcalls = {.message = on_message, .announced = on_announced};
	const struct bus_env env = {.upcalls = &upcalls, .node_id = "n", .epoch = "E", .metrics = &metrics};
	struct bus *bus;

	log_set_level((enum log_level) - 1);
	memset(&r, 0, sizeof(r));
	r.config = &config;
	ck_assert_int_eq(redis_names_init(&r.names, "grid", "n7", "E"), 0);
	ck_assert_int_eq(bus_open_driver(&driver, NULL, &config, &env, &bus), 0);
	heard[0] = '\0';
}

/* As Redis would say it. */
static void comes(const char *channel, struct str payload)
{
	redisReader *reader = redisReaderCreate();
	struct buf text = BUF_INIT;
	void *reply = NULL;

	buf_printf(&text, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel), channel, payload.n);
	buf_put_str(&text, payload);
	buf_puts(&text, "\r\n");
	ck_assert_int_eq(redisReaderFeed(reader, text.p, text.n), REDIS_OK);
	ck_assert_int_eq(redisReaderGetReply(reader, &reply), REDIS_OK);
	coming[n_coming++] = reply;
	buf_deinit(&text);
	redisReaderFree(reader);
}

static void announcement_comes(void)
{
	const struct message m = {.type = STR(TYPE_NOTICE), .body = STR("\"word\"")};
	struct buf payload = BUF_INIT;

	envelope_put(&payload, str_from(r.names.nodes), &m, NULL);
	comes(r.names.nodes, buf_str(&payload));
	buf_deinit(&payload);
}

START_TEST(a_word_between_nodes_comes_after_the_messages_before_it)
{
	setup();
	comes("grid.rooms:room.x", STR("1"));
	announcement_comes();
	comes("grid.rooms:room.x", STR("2"));
	bus_turn(r.bus, 1000);
	ck_assert_str_eq(heard, "mam");
	bus_close(r.bus);
}
END_TEST

START_TEST(what_nobody_may_say_there_is_dropped)
{
	setup();
	comes("grid.rooms:room.x", STR("1"));
	comes(r.names.nodes, STR("\"word\""));
	comes("grid.nodes:else", STR("1"));
	bus_turn(r.bus, 1000);
	ck_assert_str_eq(heard, "m");
	ck_assert_uint_eq(counter_get(&r.counters.dropped_control), 1);
	ck_assert_uint_eq(counter_get(&r.counters.dropped_channel), 1);
	bus_close(r.bus);
}
END_TEST

CHECK_MAIN("bus.redis_inbox", a_word_between_nodes_comes_after_the_messages_before_it,
           what_nobody_may_say_there_is_dropped)
