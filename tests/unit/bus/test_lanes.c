/* Results leave in the order of publishing for each key. */
#include "bus/rabbitmq/lanes.h"

#include <string.h>

#include "check_main.h"

struct out {
	struct letter *letters[8];
	size_t n;
};

static void take(void *arg, struct letter *letter)
{
	struct out *out = arg;
	out->letters[out->n++] = letter;
}

static struct key key_of(const char *name)
{
	struct key key;
	ck_assert_int_eq(key_from_name(KEY_ROOM, str_from(name), &key), 0);
	return key;
}

START_TEST(order_per_key_and_no_waiting_across)
{
	static struct lanes lanes;
	struct bus_publication x = {.key = key_of("x")}, y = {.key = key_of("y")};
	struct letter x1 = {.publication = &x}, x2 = x1, x3 = x1, y1 = {.publication = &y};
	struct out out = {.n = 0};

	lanes_enter(&lanes, &x1);
	lanes_enter(&lanes, &y1);
	lanes_enter(&lanes, &x2);
	lanes_enter(&lanes, &x3);
	lanes_done(&lanes, &x2, take, &out);
	ck_assert_uint_eq(out.n, 0);
	lanes_done(&lanes, &y1, take, &out);
	ck_assert_uint_eq(out.n, 1);
	lanes_done(&lanes, &x1, take, &out);
	ck_assert_uint_eq(out.n, 3);
	ck_assert_ptr_eq(out.letters[0], &y1);
	ck_assert_ptr_eq(out.letters[1], &x1);
	ck_assert_ptr_eq(out.letters[2], &x2);
	lanes_done(&lanes, &x3, take, &out);
	lanes_enter(&lanes, &x1);
	lanes_done(&lanes, &x1, take, &out);
	ck_assert_uint_eq(out.n, 5);
}
END_TEST

CHECK_MAIN("bus.lanes", order_per_key_and_no_waiting_across)
