/* Channels and the keys behind them. */
#include "bus/redis/names.h"

#include <errno.h>

#include "check_main.h"

static struct redis_names names;

static const char *key_of(const char *channel)
{
	static struct key key;
	return redis_channel_key(&names, str_from(channel), &key) == 0 ? key.text : NULL;
}

START_TEST(a_channel_has_exchange_and_key)
{
	struct key key;
	char channel[CHANNEL_MAX + 1];

	ck_assert_int_eq(redis_names_init(&names, "grid", "n1", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), 0);
	ck_assert_str_eq(names.offline, "grid.offline");
	ck_assert_str_eq(names.check, "grid.nodes:node.n1.01ARZ3NDEKTSV4RRFFQ69G5FAV");
	ck_assert_int_eq(key_from_name(KEY_USER, STR("a.b"), &key), 0);
	ck_assert(str_eq(redis_channel(&names, &key, channel), STR("grid.users:user.a%2Eb")));
	ck_assert_str_eq(key_of(channel), "user.a%2Eb");
	ck_assert_int_eq(key_from_name(KEY_ROOM, STR("eu.lobby"), &key), 0);
	ck_assert(str_eq(redis_channel(&names, &key, channel), STR("grid.rooms:room.eu.lobby")));
	ck_assert_str_eq(key_of(channel), "room.eu.lobby");
}
END_TEST

START_TEST(other_channels_have_no_key)
{
	static const char *const others[] = {
	    "",           "grid.users:",       "grid.users:room.a", "grid.rooms:user.a",   "grid.users:user.a.n",
	    "user.a",     "grid.users:user.",  "Grid.users:user.a", "grid.users:user.%2e", "grid.rooms:room.a..b",
	    "grid.nodes", "grid.nodes:node.a", "grid.users.user.a", "grid.users:user.a b",
	};

	ck_assert_int_eq(redis_names_init(&names, "grid", "n1", "e"), 0);
	for (size_t i = 0; i < GRID_ARRAY_LEN(others); i++)
		ck_assert_msg(!key_of(others[i]), "%s", others[i]);
}
END_TEST

START_TEST(the_longest_names_fit)
{
	struct key key;
	char channel[CHANNEL_MAX + 1], name[NAME_ENCODED_MAX], prefix[CHANNEL_HEAD_MAX + 1], id[NODE_ID_MAX + 1];

	memset(name, 'x', sizeof(name));
	memset(prefix, 'p', sizeof(prefix));
	memset(id, 'i', sizeof(id));
	id[NODE_ID_MAX] = prefix[CHANNEL_HEAD_MAX] = '\0';
	ck_assert_int_eq(redis_names_init(&names, prefix, id, "01ARZ3NDEKTSV4RRFFQ69G5FAV"), -EINVAL);
	prefix[CHANNEL_HEAD_MAX - strlen(".offline.turn") - 1] = '\0';
	ck_assert_int_eq(redis_names_init(&names, prefix, id, "01ARZ3NDEKTSV4RRFFQ69G5FAV"), 0);
	ck_assert_str_eq(names.check + strlen(names.check) - 4, "5FAV");
	ck_assert_int_eq(key_from_name(KEY_USER, (struct str){name, sizeof(name)}, &key), 0);
	struct str text = redis_channel(&names, &key, channel);
	ck_assert_uint_eq(text.n, strlen(channel));
	ck_assert_str_eq(key_of(channel), key.text);
}
END_TEST

CHECK_MAIN("bus.redis_names", a_channel_has_exchange_and_key, other_channels_have_no_key, the_longest_names_fit)
