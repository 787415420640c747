/* What tells one delivery from all others. */
#include <stdlib.h>

#include "bus/bus.h"
#include "check_main.h"

static const struct siphash_key secret = {1, 2};

static const struct message whole = {
    .id = STR("id"), .from = STR("7"), .origin = STR("n1.E"), .seq = 3, .ts = 1, .body = STR("{}")};

struct identified {
	uint64_t identity, stream, seq;
};

/* Under the first `n` of these keys. */
static struct identified identify_all(const struct message *m, size_t n, const struct siphash_key *key)
{
	static const char *const names[] = {"a", "b"};
	struct bus_delivery *d = calloc(1, sizeof(*d) + 2 * sizeof(d->targets[0]));
	struct key keys[2];

	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(key_from_name(KEY_ROOM, str_from(names[i]), &keys[i]), 0);
	ck_assert_int_eq(bus_delivery_init(d, keys, n, m, 1000, 1000), 0);
	bus_delivery_identify(d, m, key);
	struct identified got = {d->identity, d->stream, d->seq};
	bus_delivery_deinit(d);
	free(d);
	return got;
}

static struct identified identify(const struct message *m)
{
	return identify_all(m, 1, &secret);
}

START_TEST(the_same_message_is_the_same)
{
	struct message again = whole;
	struct key a;

	again.ts = 99; /* the way it came makes no difference */
	struct identified one = identify(&whole), other = identify(&again);
	ck_assert_uint_ne(one.identity, 0);
	ck_assert_uint_eq(one.identity, other.identity);
	ck_assert_uint_eq(one.stream, other.stream);
	ck_assert_uint_eq(one.seq, 3);
	ck_assert_int_eq(key_from_name(KEY_ROOM, STR("a"), &a), 0);
	ck_assert_uint_eq(one.stream, bus_stream(whole.origin, &a, &secret));
}
END_TEST

START_TEST(another_message_is_another)
{
	struct message id = whole, from = whole, origin = whole, seq = whole;

	id.id = STR("ie");
	from.from = STR("8");
	origin.origin = STR("n2.E");
	seq.seq = 4;
	uint64_t was = identify(&whole).identity;
	ck_assert_uint_ne(identify(&id).identity, was);
	ck_assert_uint_ne(identify(&from).identity, was);
	ck_assert_uint_ne(identify(&origin).identity, was);
	ck_assert_uint_ne(identify(&seq).identity, was);
	ck_assert_uint_eq(identify(&id).stream, identify(&whole).stream);
	ck_assert_uint_ne(identify(&origin).stream, identify(&whole).stream);
	ck_assert_uint_ne(identify_all(&whole, 1, &(struct siphash_key){1, 3}).identity, was);
}
END_TEST

START_TEST(what_no_node_has_numbered_has_none)
{
	struct message backend = whole, unnamed = whole, unnumbered = whole;

	backend.origin = STR_NONE;
	unnamed.id = STR_NONE;
	unnumbered.seq = 0;
	ck_assert_uint_eq(identify(&backend).identity, 0);
	ck_assert_uint_eq(identify(&unnamed).identity, 0);
	ck_assert_uint_eq(identify(&unnumbered).identity, 0);
	ck_assert_uint_eq(identify_all(&whole, 2, &secret).identity, 0);
	ck_assert_uint_eq(identify_all(&whole, 1, NULL).identity, 0);
}
END_TEST

CHECK_MAIN("bus.delivery", the_same_message_is_the_same, another_message_is_another, what_no_node_has_numbered_has_none)
