/* The bounded memory: what it remembers, for how long, and what it forgets first. */
#include "bus/failover/recent.h"

#include "check_main.h"

START_TEST(remembers_what_was_seen)
{
	struct recent *r = recent_new(8, 1000);

	ck_assert(!recent_seen(r, 5, 100));
	ck_assert(recent_seen(r, 5, 100));
	ck_assert(recent_seen(r, 5, 1099));
	ck_assert(!recent_seen(r, 6, 1099));
	ck_assert_uint_eq(recent_count(r), 2);
	recent_free(r);
}
END_TEST

START_TEST(forgets_in_time)
{
	struct recent *r = recent_new(8, 1000);

	ck_assert(!recent_seen(r, 1, 0));
	ck_assert(!recent_seen(r, 2, 500));
	ck_assert(!recent_seen(r, 1, 1000));
	ck_assert(recent_seen(r, 2, 1499));
	ck_assert_uint_eq(recent_crowded_out(r), 0);
	recent_free(r);
}
END_TEST

START_TEST(being_seen_again_makes_young)
{
	struct recent *r = recent_new(2, 1000);

	recent_seen(r, 1, 0);
	recent_seen(r, 2, 1);
	recent_seen(r, 1, 2);
	recent_seen(r, 3, 3); /* no room: 2 is the oldest now */
	ck_assert_uint_eq(recent_crowded_out(r), 1);
	ck_assert_ptr_null(recent_find(r, 2, 4));
	ck_assert_ptr_nonnull(recent_find(r, 1, 4));
	ck_assert_ptr_nonnull(recent_find(r, 3, 4));
	recent_free(r);
}
END_TEST

START_TEST(keeps_a_value)
{
	struct recent *r = recent_new(4, 1000);

	ck_assert_ptr_null(recent_find(r, 9, 0));
	ck_assert_uint_eq(*recent_touch(r, 9, 0), 0);
	*recent_touch(r, 9, 1) = 77;
	ck_assert_uint_eq(*recent_find(r, 9, 2), 77);
	recent_free(r);
}
END_TEST

/* Against a plain list of all that was ever touched. */
START_TEST(as_a_list_would)
{
	enum { MAX = 50, KEEP = 200, IDS = 120, ROUNDS = 50000 };
	struct recent *r = recent_new(MAX, KEEP);
	uint64_t touched_ms[IDS] = {0}, order[IDS] = {0}, now = 1000, seed = 7;

	for (uint64_t round = 1; round <= ROUNDS; round++) {
		seed = seed * UINT64_C(6364136223846793005) + 1;
		uint64_t id = (seed >> 33) % IDS;
		now += (seed >> 60) == 0 ? 50 : (seed >> 40) % 3;
		size_t younger = 0;
		for (size_t i = 0; i < IDS; i++)
			younger += order[i] > order[id];
		bool known = order[id] && touched_ms[id] + KEEP > now && younger < MAX;
		ck_assert_int_eq(recent_seen(r, id * 0x10001, now), known);
		touched_ms[id] = now;
		order[id] = round;
		ck_assert_uint_le(recent_count(r), MAX);
	}
	recent_free(r);
}
END_TEST

CHECK_MAIN("bus.recent", remembers_what_was_seen, forgets_in_time, being_seen_again_makes_young, keeps_a_value,
           as_a_list_would)
