/* Names, the keys they become and back, and what no name and no key may be. */
#include "wire/names.h"

#include "check_main.h"

static void assert_key(enum key_kind kind, struct str name, const char *expected)
{
	struct key key, back;
	char text[NAME_ENCODED_MAX];

	ck_assert_int_eq(key_from_name(kind, name, &key), 0);
	ck_assert_str_eq(key.text, expected);
	ck_assert_uint_eq(key.len, strlen(expected));
	ck_assert_int_eq(key.kind, (int)kind);
	for (size_t i = key.len; i < sizeof(key.text); i++)
		ck_assert_int_eq(key.text[i], 0);
	ck_assert_int_eq(key_from_routing_key(key_str(&key), &back), 0);
	ck_assert_mem_eq(&back, &key, sizeof(key));
	ck_assert(str_eq((struct str){text, key_name(&key, text)}, name));
}

static void assert_bad_name(enum key_kind kind, struct str name)
{
	struct key key;
	ck_assert_msg(key_from_name(kind, name, &key) == NAMES_E_BAD, "%.*s", STR_ARG(name));
}

static void assert_bad(struct str name)
{
	assert_bad_name(KEY_USER, name);
	assert_bad_name(KEY_ROOM, name);
}

START_TEST(encodes_names)
{
	assert_key(KEY_USER, STR("42"), "user.42");
	assert_key(KEY_USER, STR("a.b"), "user.a%2Eb");
	assert_key(KEY_USER, STR("."), "user.%2E");
	assert_key(KEY_USER, STR("#"), "user.%23");
	assert_key(KEY_ROOM, STR("*"), "room.%2A");
	assert_key(KEY_ROOM, STR("eu.lobby"), "room.eu.lobby");
	assert_key(KEY_ROOM, STR("a.b.c-d_E"), "room.a.b.c-d_E");
	assert_key(KEY_ROOM, STR("%2A"), "room.%252A");
	assert_key(KEY_USER, STR("\xc3\xbc"), "user.%C3%BC");
	assert_key(KEY_USER, STR("\xf0\x9f\x98\x80"), "user.%F0%9F%98%80");
	assert_key(KEY_ROOM, STR("a b/~`"), "room.a%20b%2F%7E%60");
	assert_key(KEY_USER, STR("\xc2\xa0"), "user.%C2%A0"); /* the first behind C1 */
}
END_TEST

START_TEST(refuses_what_is_no_name)
{
	assert_bad(STR(""));
	assert_bad(STR_NONE);
	assert_bad(STR("\0"));
	assert_bad(STR("a\0b"));
	assert_bad(STR("a\nb"));
	assert_bad(STR("\x1f"));
	assert_bad(STR("\x7f"));
	assert_bad(STR("\xc2\x80"));
	assert_bad(STR("\xc2\x9f"));
	assert_bad(STR("\xff"));
	assert_bad(STR("a\xc3"));
	assert_bad(STR("\xc0\xaf"));
	assert_bad(STR("\xed\xa0\x80"));
}
END_TEST

START_TEST(refuses_empty_parts_of_rooms)
{
	assert_bad_name(KEY_ROOM, STR("."));
	assert_bad_name(KEY_ROOM, STR(".a"));
	assert_bad_name(KEY_ROOM, STR("a."));
	assert_bad_name(KEY_ROOM, STR("a..b"));
}
END_TEST

static struct str repeated(char *text, const char *what, size_t times)
{
	size_t n = strlen(what);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * n, what, n);
	return (struct str){text, n * times};
}

START_TEST(limits_the_encoded_length)
{
	char text[1000], long_key[1000];
	struct key key;

	for (int kind = KEY_USER; kind <= KEY_ROOM; kind++) {
		ck_assert_int_eq(key_from_name(kind, repeated(text, "a", 128), &key), 0);
		ck_assert_int_eq(key_from_name(kind, repeated(text, "a", 200), &key), 0);
		ck_assert_uint_eq(key.len, KEY_MAX);
		assert_bad_name(kind, repeated(text, "a", 201));
		ck_assert_int_eq(key_from_name(kind, repeated(text, "\xc3\xbc", 33), &key), 0);
		assert_bad_name(kind, repeated(text, "\xc3\xbc", 34));
		assert_bad_name(kind, repeated(text, "\xc3\xbc", 64));
		ck_assert_int_eq(key_from_name(kind, repeated(text, "#", 66), &key), 0);
		assert_bad_name(kind, repeated(text, "#", 67));
	}
	memcpy(long_key, "room.", 5);
	ck_assert_int_eq(key_from_routing_key((struct str){long_key, 5 + repeated(long_key + 5, "a", 200).n}, &key), 0);
	ck_assert_int_eq(key_from_routing_key((struct str){long_key, 5 + repeated(long_key + 5, "a", 201).n}, &key),
	                 NAMES_E_BAD);
	ck_assert_int_eq(key_from_routing_key((struct str){long_key, 5 + repeated(long_key + 5, "%23", 67).n}, &key),
	                 NAMES_E_BAD);
}
END_TEST

static void assert_routes_to(const char *routing_key, const char *expected)
{
	struct key key;
	ck_assert_msg(key_from_routing_key(str_from(routing_key), &key) == 0, "%s", routing_key);
	ck_assert_str_eq(key.text, expected);
	ck_assert_uint_eq(key.len, strlen(expected));
}

START_TEST(reads_routing_keys)
{
	assert_routes_to("user.42", "user.42");
	assert_routes_to("user.42.n", "user.42");
	assert_routes_to("user.42.x.y", "user.42");
	assert_routes_to("user.42.", "user.42");
	assert_routes_to("user.%23.n", "user.%23");
	assert_routes_to("user.42.\xff%", "user.42");
	assert_routes_to("room.lobby", "room.lobby");
	assert_routes_to("room.eu.lobby", "room.eu.lobby");
	assert_routes_to("room.a.%2A.b", "room.a.%2A.b");
}
END_TEST

START_TEST(refuses_keys_no_name_has)
{
	static const char *const bad[] = {
	    "",          "user",       "user.",       "user..n",  "user..",      "room.",      "room..",     "room.a.",
	    "room..a",   "room.a..b",  "room.a b",    "room.*",   "user.#",      "users.42",   "User.42",    "rooms.a",
	    "room",      "node.n1",    "all",         "user42",   "room.%2a",    "room.%2A%",  "room.%2",    "room.%",
	    "room.%GG",  "room.%41",   "room.%2E",    "user.%5F", "user.%30",    "user.\xfc",  "user.%FF",   "user.%C3",
	    "user.%00",  "user.%0A.n", "user.%C2%80", "user.%7F", "room.%C0%AF", "room.\x01",  "room.a\x7f", "room.%C3\xbc",
	    "room..%2A", "room.%2A.",  "room.%2A..b", "user.%2e", " user.42",    "room.a%2Eb",
	};
	struct key key;

	for (size_t i = 0; i < GRID_ARRAY_LEN(bad); i++)
		ck_assert_msg(key_from_routing_key(str_from(bad[i]), &key) == NAMES_E_BAD, "%s", bad[i]);
	ck_assert_int_eq(key_from_routing_key(STR("room.a\0b"), &key), NAMES_E_BAD);
	ck_assert_int_eq(key_from_routing_key(STR_NONE, &key), NAMES_E_BAD);
}
END_TEST

/* Every string of up to two bytes: it has a key or not as its characters say, and no two have the same one. */
START_TEST(keys_of_short_names_are_all_different)
{
	static struct key keys[256 + 65536];
	size_t n = 0;

	for (int kind = KEY_USER; kind <= KEY_ROOM; kind++) {
		n = 0;
		for (unsigned i = 0; i < 256 + 65536; i++) {
			char name[2] = {(char)(i < 256 ? i : (i - 256) >> 8), (char)(i - 256)};
			struct str text = {name, i < 256 ? 1 : 2};
			char back[NAME_ENCODED_MAX];
			if (key_from_name(kind, text, &keys[n]) != 0)
				continue;
			/* Different names, if each comes back from its key. */
			ck_assert(str_eq((struct str){back, key_name(&keys[n], back)}, text));
			n++;
		}
		/* 95 printable ASCII characters; their pairs; 1,920 two-byte characters without 32 of C1. In rooms the dot
		 * can stand neither alone nor at either side of a pair. */
		size_t singles = kind == KEY_USER ? 95 : 94;
		ck_assert_uint_eq(n, singles + singles * singles + 1920 - 32);
	}
}
END_TEST

START_TEST(compares_keys)
{
	struct key a, b, c;

	ck_assert_int_eq(key_from_name(KEY_USER, STR("7"), &a), 0);
	ck_assert_int_eq(key_from_routing_key(STR("user.7.n"), &b), 0);
	ck_assert_int_eq(key_from_name(KEY_ROOM, STR("7"), &c), 0);
	ck_assert(key_eq(&a, &b));
	ck_assert(!key_eq(&a, &c));
}
END_TEST

START_TEST(checks_node_and_message_ids)
{
	char text[100];

	ck_assert(node_id_valid(STR("host-5210")));
	ck_assert(node_id_valid(STR("A_z-0")));
	ck_assert(node_id_valid(repeated(text, "n", 64)));
	ck_assert(!node_id_valid(repeated(text, "n", 65)));
	ck_assert(!node_id_valid(STR("")));
	ck_assert(!node_id_valid(STR("a.b")));
	ck_assert(!node_id_valid(STR("a b")));
	ck_assert(!node_id_valid(STR("\xc3\xbc")));

	ck_assert(message_id_valid(STR("01ARYZ6S41TSV4RRFFQ69G5FAV")));
	ck_assert(message_id_valid(STR(" ~\"\\")));
	ck_assert(message_id_valid(repeated(text, "n", 64)));
	ck_assert(!message_id_valid(repeated(text, "n", 65)));
	ck_assert(!message_id_valid(STR("")));
	ck_assert(!message_id_valid(STR_NONE));
	ck_assert(!message_id_valid(STR("a\x1f")));
	ck_assert(!message_id_valid(STR("a\x7f")));
	ck_assert(!message_id_valid(STR("\xc3\xbc")));
}
END_TEST

CHECK_MAIN("wire.names", encodes_names, refuses_what_is_no_name, refuses_empty_parts_of_rooms,
           limits_the_encoded_length, reads_routing_keys, refuses_keys_no_name_has,
           keys_of_short_names_are_all_different, compares_keys, checks_node_and_message_ids)
