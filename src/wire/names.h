/* Names of users and rooms, and the routing keys they become (docs/protocol.md, section 1).
 *
 *   name      any UTF-8 without control characters        "eu.lobby"        "a#b"
 *   key       "room." or "user." and the encoded name     "room.eu.lobby"   "user.a%23b"
 *
 * Encoded: every byte outside A-Za-z0-9_- is %XX in upper-case hex; in a room's name all but the dot. So a name can
 * never act as a wildcard or a separator, and two different names never share a key. */
#ifndef GRID_WIRE_NAMES_H
#define GRID_WIRE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define NAME_ENCODED_MAX 200 /* bytes of a name in encoded form */
#define KEY_MAX (5 + NAME_ENCODED_MAX)
#define NODE_ID_MAX 64
#define MESSAGE_ID_MAX 64

enum { NAMES_E_BAD = 1 };

enum key_kind {
	KEY_USER, /* "user.<user>", exactly two words */
	KEY_ROOM, /* "room.<room>", two words or more */
};

/* A two-word key as the rest of the program passes it around. Zero bytes after `len`, so that it can be hashed and
 * compared as `text` of `len` bytes. */
struct key {
	uint8_t kind; /* enum key_kind */
	uint8_t len;
	char text[KEY_MAX + 1]; /* NUL-terminated */
};

/* The key of a user or room; undefined after a failure, as below. NAMES_E_BAD: empty, too long when encoded, not UTF-8,
 * a control character (C0, DEL, C1), or an empty part between a room's dots. */
GRID_MUST_CHECK int key_from_name(enum key_kind kind, struct str name, struct key *out);

/* The key named by a routing key as the broker delivers it: "user.42", "user.42.n" and "user.42.anything" are all user
 * 42; a room's key is taken whole. NAMES_E_BAD: anything that key_from_name() could not have made (lower-case hex,
 * encoded plain characters, too long, another first word). */
GRID_MUST_CHECK int key_from_routing_key(struct str routing_key, struct key *out);

/* The name behind a key made by one of the above: writes at most NAME_ENCODED_MAX bytes, returns how many. */
size_t key_name(const struct key *key, char name[NAME_ENCODED_MAX]);

static inline struct str key_str(const struct key *key)
{
	return (struct str){key->text, key->len};
}
static inline bool key_eq(const struct key *a, const struct key *b)
{
	return str_eq(key_str(a), key_str(b));
}

/* Is this a node id: [A-Za-z0-9_-]{1,64}? */
bool node_id_valid(struct str id);
/* Is this a message id: 1 to 64 bytes of printable ASCII (0x20-0x7e)? */
bool message_id_valid(struct str id);

#endif
