/* Moving what the fallback keeps for absent users to the primary. */
#include "bus/failover/mover.h"

#include "base/log.h"
#include "check_main.h"

/* A bus that notes what it is asked. */
struct stub {
	struct bus *bus;
	int fetched, moved; /* moved: as told last; -1: not yet */
	struct bus_publication *published[BUS_STORED_MAX];
	size_t n;
	int answer; /* to publish and to moved */
};

static struct stub primary, fallback;
static struct mover mover;
static struct metric_registry metrics;
static const struct bus_config config;
static struct bus_stored stored[3];

static int stub_open(struct bus *bus, const struct bus_config *c, const struct bus_env *env, void **implp)
{
	(void)c;
	*implp = env->ctx;
	((struct stub *)env->ctx)->bus = bus;
	return 0;
}

static void stub_close(void *impl)
{
	struct stub *s = impl;

	for (size_t i = 0; i < s->n; i++)
		bus_publication_free(s->published[i]);
}

static int stub_publish(void *impl, struct bus_publication *publication)
{
	struct stub *s = impl;

	if (s->answer)
		return s->answer;
	s->published[s->n++] = publication;
	return 0;
}

static bool stub_turn(void *impl, uint64_t now_ms)
{
	struct stub *s = impl;

	(void)now_ms;
	bus_up_state(s->bus, BUS_UP, BUS_BINDINGS_KEPT);
	return false;
}

static int stub_fetch(void *impl)
{
	((struct stub *)impl)->fetched++;
	return 0;
}

static int stub_moved(void *impl, size_t n)
{
	((struct stub *)impl)->moved = (int)n;
	return ((struct stub *)impl)->answer;
}

static const struct bus_driver driver = {.name = "stub",
                                         .open = stub_open,
                                         .close = stub_close,
                                         .publish = stub_publish,
                                         .turn = stub_turn,
                                         .stored_fetch = stub_fetch,
                                         .stored_moved = stub_moved};

static void on_state(void *ctx, enum bus_state state, enum bus_bindings bindings)
{
	(void)ctx, (void)state, (void)bindings;
}

static void open_stub(struct stub *s, const char *labels)
{
	static const struct bus_upcalls upcalls = {.state = on_state};
	const struct bus_env env = {.upcalls = &upcalls, .ctx = s, .node_id = "n", .epoch = "E", .metrics = &metrics};

	*s = (struct stub){.moved = -1};
	ck_assert_int_eq(bus_open_driver(&driver, labels, &config, &env, &s->bus), 0);
	bus_turn(s->bus, 1);
}

static void setup(void)
{
	log_set_level((enum log_level) - 1);
	mover = (struct mover){.state = MOVER_RESTING};
	open_stub(&primary, "bus=\"primary\"");
	open_stub(&fallback, "bus=\"fallback\"");
	for (size_t i = 0; i < GRID_ARRAY_LEN(stored); i++) {
		ck_assert_int_eq(key_from_name(KEY_USER, STR("7"), &stored[i].key), 0);
		stored[i].message = (struct message){.id = STR("id"), .body = STR("1")};
	}
}

static void teardown(void)
{
	bus_close(primary.bus);
	bus_close(fallback.bus);
}

static void ask(uint64_t now)
{
	mover_tick(&mover, fallback.bus, now);
	ck_assert_int_eq(mover.state, MOVER_ASKED);
}

static void come(size_t n, uint64_t now)
{
	mover_on_stored(&mover, primary.bus, fallback.bus, stored, n, now);
}

static void answer(size_t index, bool moved, uint64_t now)
{
	mover_on_published(&mover, fallback.bus, index, moved, now);
}

START_TEST(what_is_there_is_moved_and_then_deleted)
{
	ask(1000);
	come(3, 1010);
	ck_assert_uint_eq(primary.n, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(primary.published[i]->reach, BUS_TO_ABSENT);
	answer(2, true, 1020);
	answer(0, true, 1020);
	ck_assert_int_eq(fallback.moved, -1);
	answer(1, true, 1020);
	ck_assert_int_eq(fallback.moved, 3);
	ck_assert_uint_eq(mover.total, 3);
	ask(1020); /* there may be more */
}
END_TEST

START_TEST(nothing_there_is_asked_again_later)
{
	ask(1000);
	come(0, 1000);
	mover_tick(&mover, fallback.bus, 30999);
	ck_assert_int_eq(fallback.fetched, 1);
	ask(31000);
}
END_TEST

/* They are deleted from the oldest on, so what is behind one that failed is moved once more. */
START_TEST(only_what_is_before_a_failure_is_deleted)
{
	ask(1000);
	come(3, 1000);
	answer(0, true, 1000);
	answer(1, false, 1000);
	answer(2, true, 1000);
	ck_assert_int_eq(fallback.moved, 1);
	mover_tick(&mover, fallback.bus, 5999);
	ck_assert_int_eq(mover.state, MOVER_RESTING);
	ask(6000);
}
END_TEST

START_TEST(a_primary_that_takes_nothing)
{
	primary.answer = BUS_E_BUSY;
	ask(1000);
	come(2, 1000);
	ck_assert_int_eq(fallback.moved, 0);
	ck_assert_int_eq(mover.state, MOVER_RESTING);
	primary.answer = 0;
	ask(6000);
}
END_TEST

/* Its answer means nothing any more: what it has not deleted is found again. */
START_TEST(the_fallback_is_lost_meanwhile)
{
	ask(1000);
	come(1, 1000);
	mover_lost(&mover);
	ck_assert_int_eq(mover.state, MOVER_MOVING); /* until the primary has answered */
	answer(0, true, 1000);
	ck_assert_int_eq(fallback.moved, -1);
	ask(6000);
	mover_lost(&mover);
	ck_assert_int_eq(mover.state, MOVER_RESTING);
}
END_TEST

CHECK_MAIN_WITH("bus.mover", setup, teardown, what_is_there_is_moved_and_then_deleted,
                nothing_there_is_asked_again_later, only_what_is_before_a_failure_is_deleted,
                a_primary_that_takes_nothing, the_fallback_is_lost_meanwhile)
