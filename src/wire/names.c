#include "wire/names.h"

#include "wire/utf8.h"

#define PREFIX_LEN 5 /* "user." and "room." */

enum byte_class {
	CLASS_CONTROL, /* not allowed: everything the table leaves out */
	CLASS_PLAIN,   /* stands for itself */
	CLASS_DOT,     /* stands for itself in a room's name */
	CLASS_ESCAPED, /* written %XX */
	CLASS_WIDE,    /* part of a longer UTF-8 character; every byte written %XX */
};

static const uint8_t classes[256] = {
    [' ' ... ','] = CLASS_ESCAPED, ['-'] = CLASS_PLAIN,           ['.'] = CLASS_DOT,
    ['/'] = CLASS_ESCAPED,         ['0' ... '9'] = CLASS_PLAIN,   [':' ... '@'] = CLASS_ESCAPED,
    ['A' ... 'Z'] = CLASS_PLAIN,   ['[' ... '^'] = CLASS_ESCAPED, ['_'] = CLASS_PLAIN,
    ['`'] = CLASS_ESCAPED,         ['a' ... 'z'] = CLASS_PLAIN,   ['{' ... '~'] = CLASS_ESCAPED,
    [0x80 ... 0xff] = CLASS_WIDE,
};

/* The value of an upper-case hex digit plus one; 0: not one. */
static const uint8_t hex_values[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static enum byte_class class_of(char c)
{
	return classes[(unsigned char)c];
}

static void key_start(struct key *key, enum key_kind kind)
{
	memset(key, 0, sizeof(*key));
	key->kind = (uint8_t)kind;
	key->len = PREFIX_LEN;
	memcpy(key->text, kind == KEY_USER ? "user." : "room.", PREFIX_LEN);
}

static bool put_plain(struct key *key, char c)
{
	if (key->len == KEY_MAX)
		return false;
	key->text[key->len++] = c;
	return true;
}

/* A dot may stand only behind something: the byte before it is at worst the one that ends the prefix. */
static bool put_dot(struct key *key)
{
	return key->text[key->len - 1] != '.' && put_plain(key, '.');
}

static bool put_escaped(struct key *key, const char *p, size_t n)
{
	static const char digits[] = "0123456789ABCDEF";

	if ((size_t)(KEY_MAX - key->len) < 3 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		key->text[key->len++] = '%';
		key->text[key->len++] = digits[(unsigned char)p[i] >> 4];
		key->text[key->len++] = digits[p[i] & 15];
	}
	return true;
}

/* Length of the non-ASCII character at p, or 0: not UTF-8, or a C1 control character (U+0080-U+009F). */
static size_t wide_char(const char *p, size_t n)
{
	size_t len = utf8_char((const unsigned char *)p, n);
	return len == 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0 ? 0 : len;
}

/* Encodes the character at p; returns its length, or 0 when a name cannot have it there. */
static size_t put_char(struct key *key, const char *p, size_t n)
{
	size_t len = 1;

	switch (class_of(*p)) {
	case CLASS_PLAIN:
		return put_plain(key, *p);
	case CLASS_DOT:
		if (key->kind == KEY_ROOM)
			return put_dot(key);
		break;
	case CLASS_WIDE:
		len = wide_char(p, n);
		break;
	case CLASS_ESCAPED:
		break;
	case CLASS_CONTROL:
		return 0;
	}
	return put_escaped(key, p, len) ? len : 0;
}

int key_from_name(enum key_kind kind, struct str name, struct key *out)
{
	if (name.n == 0 || name.n > NAME_ENCODED_MAX)
		return NAMES_E_BAD;
	key_start(out, kind);
	for (size_t i = 0; i < name.n;) {
		size_t len = put_char(out, name.p + i, name.n - i);
		if (len == 0)
			return NAMES_E_BAD;
		i += len;
	}
	return kind == KEY_ROOM && out->text[out->len - 1] == '.' ? NAMES_E_BAD : 0;
}

/* Decodes %XX; returns how many bytes, or 0 when a % is not followed by two upper-case hex digits. */
static size_t decode(struct str encoded, char name[NAME_ENCODED_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < encoded.n; i++) {
		if (encoded.p[i] != '%') {
			name[n++] = encoded.p[i];
			continue;
		}
		if (encoded.n - i < 3)
			return 0;
		unsigned high = hex_values[(unsigned char)encoded.p[i + 1]], low = hex_values[(unsigned char)encoded.p[i + 2]];
		if (high == 0 || low == 0)
			return 0;
		name[n++] = (char)((high - 1) << 4 | (low - 1));
		i += 2;
	}
	return n;
}

/* With a % in it: canonical is what comes out of encoding it again. */
static int from_escaped(enum key_kind kind, struct str encoded, struct key *out)
{
	char name[NAME_ENCODED_MAX];
	size_t n = decode(encoded, name);
	if (n == 0 || key_from_name(kind, (struct str){name, n}, out) != 0)
		return NAMES_E_BAD;
	return str_eq((struct str){out->text + PREFIX_LEN, out->len - (size_t)PREFIX_LEN}, encoded) ? 0 : NAMES_E_BAD;
}

static int from_encoded(enum key_kind kind, struct str encoded, struct key *out)
{
	if (encoded.n == 0 || encoded.n > NAME_ENCODED_MAX)
		return NAMES_E_BAD;
	char before = '.';
	for (size_t i = 0; i < encoded.n; i++) {
		char c = encoded.p[i];
		if (c == '%')
			return from_escaped(kind, encoded, out);
		if (class_of(c) != CLASS_PLAIN && !(c == '.' && before != '.'))
			return NAMES_E_BAD;
		before = c;
	}
	if (before == '.')
		return NAMES_E_BAD;
	key_start(out, kind);
	memcpy(out->text + PREFIX_LEN, encoded.p, encoded.n);
	out->len = (uint8_t)(PREFIX_LEN + encoded.n);
	return 0;
}

int key_from_routing_key(struct str routing_key, struct key *out)
{
	if (routing_key.n <= PREFIX_LEN)
		return NAMES_E_BAD;
	struct str rest = {routing_key.p + PREFIX_LEN, routing_key.n - PREFIX_LEN};
	if (str_starts(routing_key, STR("room.")))
		return from_encoded(KEY_ROOM, rest, out);
	if (!str_starts(routing_key, STR("user.")))
		return NAMES_E_BAD;
	const char *dot = memchr(rest.p, '.', rest.n);
	if (dot)
		rest.n = (size_t)(dot - rest.p);
	return from_encoded(KEY_USER, rest, out);
}

size_t key_name(const struct key *key, char name[NAME_ENCODED_MAX])
{
	return decode((struct str){key->text + PREFIX_LEN, key->len - (size_t)PREFIX_LEN}, name);
}

bool node_id_valid(struct str id)
{
	if (id.n == 0 || id.n > NODE_ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (class_of(id.p[i]) != CLASS_PLAIN)
			return false;
	return true;
}

bool message_id_valid(struct str id)
{
	if (id.n == 0 || id.n > MESSAGE_ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] < 0x20 || id.p[i] > 0x7e)
			return false;
	return true;
}
