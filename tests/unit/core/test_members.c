#include "check_main.h"
#include "core/topics.h"

#define MANY 100

static struct session *session_of(size_t i)
{
	static char sessions[MANY]; /* only their addresses matter */
	return (struct session *)(void *)&sessions[i];
}

static void assert_places(const struct members *members)
{
	ck_assert_uint_le(members->n, members->room);
	for (uint32_t i = 0; i < members->n; i++) {
		ck_assert_uint_eq(members->items[i].sub->place, i);
		ck_assert_ptr_eq(members->items[i].session, members->items[i].sub->session);
	}
}

/* The room that is there once all of them are in. */
static uint32_t add_all(struct members *members, struct subscription subs[MANY])
{
	for (size_t i = 0; i < MANY; i++) {
		subs[i] = (struct subscription){.session = session_of(i)};
		ck_assert_int_eq(members_reserve(members, (uint32_t)i + 1), 0);
		members_add(members, &subs[i]);
	}
	assert_places(members);
	return members->room;
}

START_TEST(each_has_its_place_whoever_leaves)
{
	struct subscription subs[MANY];
	struct members members = {0};

	add_all(&members, subs);
	for (size_t i = 0; i < MANY; i++) {
		size_t leaves = i * 37 % MANY; /* each of them once */
		members_remove(&members, &subs[leaves]);
		members_trim(&members, members.n);
		ck_assert_uint_eq(members.n, MANY - 1 - i);
		assert_places(&members);
		for (uint32_t k = 0; k < members.n; k++)
			ck_assert_ptr_ne(members.items[k].sub, &subs[leaves]);
	}
	ck_assert_ptr_null(members.items);
}
END_TEST

START_TEST(room_is_given_back)
{
	struct subscription subs[MANY];
	struct members members = {0};
	uint32_t most = add_all(&members, subs);

	ck_assert_uint_lt(most, 2 * MANY);
	while (members.n > MANY / 10) {
		members_remove(&members, &subs[members.n - 1]);
		members_trim(&members, members.n);
	}
	assert_places(&members);
	ck_assert_uint_le(members.room, most / 2);
	members_trim(&members, 0);
	ck_assert_ptr_null(members.items);
	ck_assert_uint_eq(members.room, 0);
}
END_TEST

/* For those who wait: whether there is room is known when they come, not when they are let in. */
START_TEST(room_can_be_there_before_members_are)
{
	struct subscription sub = {.session = session_of(0)};
	struct members members = {0};

	ck_assert_int_eq(members_reserve(&members, 5), 0);
	const struct member *items = members.items;
	ck_assert_int_eq(members_reserve(&members, 5), 0);
	members_add(&members, &sub);
	ck_assert_ptr_eq(members.items, items);
	members_trim(&members, 0);
}
END_TEST

CHECK_MAIN("core.members", each_has_its_place_whoever_leaves, room_is_given_back, room_can_be_there_before_members_are)
