/* The option table: defaults, values of each type, names, and what is said about wrong ones. */
#include "base/options.h"

#include <string.h>

#include "check_main.h"

struct engine {
	char *label;
	char *key;
	struct option_strings wheels;
	int64_t power;
	bool turbo;
	int fuel;
};

struct car {
	struct {
		int64_t timeout;
		int64_t trunk;
	} door;
	struct engine engine;
};

static const char *const fuels[] = {"petrol", "diesel", NULL};

static const struct option car_rows[] = {
    OPTION_DURATION(struct car, door.timeout, "2s", 100, 60000, "until it closes"),
    OPTION_SIZE(struct car, door.trunk, "64K", 1024, 1048576, "what fits"),
    OPTIONS_END,
};

static const struct option engine_rows[] = {
    OPTION_STRING(struct engine, label, "v8", "what it is called"),
    OPTION_SECRET(struct engine, key, "", "starts it"),
    OPTION_STRINGS(struct engine, wheels, "front,rear", "what it drives"),
    OPTION_INT(struct engine, power, "75", 1, 500, "kilowatts"),
    OPTION_BOOL(struct engine, turbo, "false", "has one"),
    OPTION_ENUM(struct engine, fuel, fuels, "diesel", "what it burns"),
    OPTIONS_END,
};

static const struct option_group groups[] = {
    {"", car_rows, 0},
    {"car.engine", engine_rows, offsetof(struct car, engine)},
};

static const struct option_set set = {groups, GRID_ARRAY_LEN(groups)};

static struct car car;
static struct buf err;

static void fresh(void)
{
	/* As a caller's memory may look before. */
	memset(&car, 0xa5, sizeof(car));
	ck_assert_int_eq(options_init(&set, &car), 0);
	buf_reset(&err);
}

static void done(void)
{
	options_deinit(&set, &car);
	buf_deinit(&err);
}

static const char *text(struct buf *b)
{
	buf_putc(b, '\0');
	ck_assert(!b->failed);
	return b->p;
}

static void takes(const char *name, const char *value)
{
	ck_assert_msg(options_set(&set, &car, name, value, &err) == 0, "%s=%s: %s", name, value, text(&err));
}

static void refuses(const char *name, const char *value, const char *why)
{
	buf_reset(&err);
	ck_assert_int_eq(options_set(&set, &car, name, value, &err), OPTION_E_BAD_VALUE);
	ck_assert_str_eq(text(&err), why);
}

static void shows(const char *name, const char *value)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	options_get(&set, &car, name, &out);
	ck_assert_str_eq(text(&out), value);
}

START_TEST(starts_with_the_defaults)
{
	fresh();
	ck_assert_int_eq(car.door.timeout, 2000);
	ck_assert_int_eq(car.door.trunk, 65536);
	ck_assert_str_eq(car.engine.label, "v8");
	ck_assert_str_eq(car.engine.key, "");
	ck_assert_uint_eq(car.engine.wheels.n, 2);
	ck_assert_str_eq(car.engine.wheels.items[0], "front");
	ck_assert_str_eq(car.engine.wheels.items[1], "rear");
	ck_assert_int_eq(car.engine.power, 75);
	ck_assert(!car.engine.turbo);
	ck_assert_int_eq(car.engine.fuel, 1);
	done();
}
END_TEST

START_TEST(takes_values_of_every_type)
{
	fresh();
	takes("door.timeout", "1m");
	ck_assert_int_eq(car.door.timeout, 60000);
	takes("door.timeout", "100");
	ck_assert_int_eq(car.door.timeout, 100);
	takes("door.trunk", "1M");
	ck_assert_int_eq(car.door.trunk, 1048576);
	takes("car.engine.label", "");
	ck_assert_str_eq(car.engine.label, "");
	takes("car.engine.wheels", " left ,right,spare");
	ck_assert_uint_eq(car.engine.wheels.n, 3);
	ck_assert_str_eq(car.engine.wheels.items[0], "left");
	ck_assert_str_eq(car.engine.wheels.items[2], "spare");
	takes("car.engine.wheels", " ");
	ck_assert_uint_eq(car.engine.wheels.n, 0);
	takes("car.engine.power", "500");
	ck_assert_int_eq(car.engine.power, 500);
	takes("car.engine.turbo", "yes");
	ck_assert(car.engine.turbo);
	takes("car.engine.turbo", "FALSE");
	ck_assert(!car.engine.turbo);
	takes("car.engine.fuel", "petrol");
	ck_assert_int_eq(car.engine.fuel, 0);
	done();
}
END_TEST

START_TEST(says_what_was_expected_and_changes_nothing)
{
	fresh();
	refuses("car.engine.fuel", "kafka", "car.engine.fuel: expected one of petrol|diesel, got \"kafka\"");
	refuses("car.engine.power", "0", "car.engine.power: expected a number from 1 to 500, got \"0\"");
	refuses("car.engine.power", "501", "car.engine.power: expected a number from 1 to 500, got \"501\"");
	refuses("car.engine.power", "many", "car.engine.power: expected a number from 1 to 500, got \"many\"");
	refuses("door.timeout", "2h", "door.timeout: expected a duration from 100ms to 1m, got \"2h\"");
	refuses("door.trunk", "2M", "door.trunk: expected a size from 1K to 1M, got \"2M\"");
	refuses("car.engine.turbo", "maybe", "car.engine.turbo: expected true or false, got \"maybe\"");
	refuses("car.engine.wheels", "a,,b", "car.engine.wheels: expected a list of texts, got \"a,,b\"");
	refuses("car.engine.wheels", "a,", "car.engine.wheels: expected a list of texts, got \"a,\"");
	refuses("car.engine.fuel", "a\nb", "car.engine.fuel: expected one of petrol|diesel, got \"a\\x0ab\"");
	ck_assert_int_eq(car.engine.fuel, 1);
	ck_assert_int_eq(car.engine.power, 75);
	ck_assert_int_eq(car.door.timeout, 2000);
	ck_assert_uint_eq(car.engine.wheels.n, 2);
	done();
}
END_TEST

static void suggests(const char *typed, const char *sentence)
{
	buf_reset(&err);
	ck_assert_int_eq(options_set(&set, &car, typed, "1", &err), OPTION_E_UNKNOWN);
	ck_assert_str_eq(text(&err), sentence);
}

START_TEST(names_the_nearest_of_an_unknown_one)
{
	fresh();
	suggests("car.engine.powr", "car.engine.powr: no such option; the nearest is car.engine.power");
	suggests("power", "power: no such option; the nearest is car.engine.power");
	suggests("car.engine.", "car.engine.: no such option; the nearest is car.engine.label");
	suggests("doors.timeout", "doors.timeout: no such option; the nearest is door.timeout");
	done();
}
END_TEST

START_TEST(finds_by_name_and_by_environment)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	const struct option_group *group = NULL;

	ck_assert_ptr_eq(options_find(&set, "door.timeout", &group), &car_rows[0]);
	ck_assert_ptr_eq(group, &groups[0]);
	ck_assert_ptr_eq(options_find(&set, "car.engine.fuel", NULL), &engine_rows[5]);
	ck_assert_ptr_null(options_find(&set, "fuel", NULL));
	ck_assert_ptr_null(options_find(&set, "carxengine.fuel", NULL));

	options_env_name("car.engine.fuel", &out);
	ck_assert_str_eq(text(&out), "GRIDNODE_CAR_ENGINE_FUEL");
	ck_assert_ptr_eq(options_find_env(&set, "GRIDNODE_CAR_ENGINE_FUEL", &group, &err), &engine_rows[5]);
	ck_assert_ptr_eq(group, &groups[1]);
	ck_assert_uint_eq(err.n, 0);
	ck_assert_ptr_null(options_find_env(&set, "GRIDNODE_CAR_ENGINE_FEUL", &group, &err));
	ck_assert_str_eq(text(&err), "no such option; the nearest is GRIDNODE_CAR_ENGINE_FUEL");
	buf_deinit(&err);
}
END_TEST

START_TEST(shows_values_but_no_secrets)
{
	fresh();
	shows("car.engine.key", "");
	takes("car.engine.key", "hunter2");
	takes("car.engine.wheels", "left, right");
	shows("car.engine.key", "***");
	shows("car.engine.wheels", "left,right");
	shows("car.engine.label", "v8");
	shows("car.engine.power", "75");
	shows("car.engine.turbo", "false");
	shows("car.engine.fuel", "diesel");
	shows("door.timeout", "2s");
	shows("door.trunk", "64K");
	done();
}
END_TEST

START_TEST(helps)
{
	struct buf out GRID_CLEANUP(buf_deinit) = BUF_INIT;
	options_help(&set, &out);
	const char *help = text(&out);
	ck_assert_ptr_nonnull(
	    strstr(help, "  car.engine.fuel = diesel\n      what it burns\n      (one of petrol|diesel)\n"));
	ck_assert_ptr_nonnull(
	    strstr(help, "  door.timeout = 2s\n      until it closes\n      (a duration from 100ms to 1m)\n"));
	ck_assert_ptr_nonnull(strstr(help, "  car.engine.key\n      starts it\n"));
}
END_TEST

CHECK_MAIN("base.options", starts_with_the_defaults, takes_values_of_every_type,
           says_what_was_expected_and_changes_nothing, names_the_nearest_of_an_unknown_one,
           finds_by_name_and_by_environment, shows_values_but_no_secrets, helps)
