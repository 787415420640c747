/* Names and keys: whatever is accepted comes back the same, from either side. */
#include "fuzz.h"
#include "wire/names.h"
#include "wire/utf8.h"

static void check_key(const struct key *key)
{
	struct key again;
	char name[NAME_ENCODED_MAX];
	struct str text = {name, key_name(key, name)};

	GRID_ASSERT(key->len <= KEY_MAX && strlen(key->text) == key->len);
	GRID_ASSERT(text.n > 0 && utf8_valid(text.p, text.n));
	GRID_ASSERT(key_from_name(key->kind, text, &again) == 0 && memcmp(&again, key, sizeof(again)) == 0);
	GRID_ASSERT(key_from_routing_key(key_str(key), &again) == 0 && memcmp(&again, key, sizeof(again)) == 0);
	for (size_t i = 5; i < key->len; i++)
		GRID_ASSERT(!strchr(key->kind == KEY_USER ? "*#." : "*#", key->text[i]));
}

static void check_name(enum key_kind kind, struct str name)
{
	struct key key;
	char back[NAME_ENCODED_MAX];

	if (key_from_name(kind, name, &key) != 0)
		return;
	GRID_ASSERT(str_eq((struct str){back, key_name(&key, back)}, name));
	check_key(&key);
}

static void check_routing_key(struct str text)
{
	struct key key;

	if (key_from_routing_key(text, &key) != 0)
		return;
	GRID_ASSERT(str_starts(text, key_str(&key)));
	GRID_ASSERT(text.n == key.len || (key.kind == KEY_USER && text.p[key.len] == '.'));
	check_key(&key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size};

	check_name(KEY_USER, text);
	check_name(KEY_ROOM, text);
	check_routing_key(text);
	if (node_id_valid(text))
		GRID_ASSERT(message_id_valid(text) && size <= NODE_ID_MAX);
	return 0;
}
