/* Form, order and randomness of ULIDs. */
#include "base/ulid.h"

#include <string.h>

#include "check_main.h"

static void assert_form(const struct ulid *id)
{
	ck_assert_uint_eq(strlen(id->text), ULID_LEN);
	ck_assert_uint_eq(strspn(id->text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), ULID_LEN);
	ck_assert_int_le(id->text[0], '7'); /* 48 bits in 10 digits of 5 */
}

START_TEST(encodes_the_time_as_the_specification_has_it)
{
	struct ulid_source source = {0};
	struct ulid id;

	ulid_next(&source, 1469918176385, &id); /* the example of the specification */
	ck_assert_int_eq(strncmp(id.text, "01ARYZ6S41", 10), 0);
	assert_form(&id);
	ulid_next(&source, ((uint64_t)1 << 48) - 1, &id);
	ck_assert_int_eq(strncmp(id.text, "7ZZZZZZZZZ", 10), 0);
	assert_form(&id);
}
END_TEST

START_TEST(encodes_all_bits_of_the_entropy)
{
	struct ulid_source source = {5, {0}};
	struct ulid id;

	memset(source.entropy, 0xff, sizeof(source.entropy));
	source.entropy[9] = 0xfe; /* counts up to all ones */
	ulid_next(&source, 5, &id);
	ck_assert_str_eq(id.text, "0000000005ZZZZZZZZZZZZZZZZ");
	memcpy(source.entropy, (const uint8_t[]){0x08, 0x86, 0x42, 0x98, 0xe8, 0x4a, 0x96, 0xc6, 0xb9, 0xef}, 10);
	ulid_next(&source, 5, &id);
	ck_assert_str_eq(id.text, "0000000005123456789ABCDEFG");
}
END_TEST

START_TEST(increases_strictly)
{
	struct ulid_source source = {0};
	struct ulid before = {""}, id;

	for (int i = 0; i < 20000; i++) {
		uint64_t ms = 1700000000000 + (uint64_t)i / 1000;
		ulid_next(&source, i % 3 ? ms : ms - 500, &id); /* the clock jumps back now and then */
		assert_form(&id);
		ck_assert_str_gt(id.text, before.text);
		before = id;
	}
}
END_TEST

START_TEST(carries_over_within_a_millisecond)
{
	struct ulid_source source = {7, {0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff}};
	struct ulid id;

	ulid_next(&source, 7, &id);
	ck_assert_uint_eq(source.entropy[6], 1);
	ck_assert_uint_eq(source.entropy[7] | source.entropy[8] | source.entropy[9], 0);
	ck_assert_str_eq(id.text, "000000000700000000000G0000");
}
END_TEST

START_TEST(differs_between_sources)
{
	struct ulid_source a = {0}, b = {0};
	struct ulid x, y;

	ulid_next(&a, 1000, &x);
	ulid_next(&b, 1000, &y);
	ck_assert_int_eq(strncmp(x.text, y.text, 10), 0);
	ck_assert_str_ne(x.text, y.text);
}
END_TEST

CHECK_MAIN("base.ulid", encodes_the_time_as_the_specification_has_it, encodes_all_bits_of_the_entropy,
           increases_strictly, carries_over_within_a_millisecond, differs_between_sources)
