/* HMAC-SHA256 against the vectors of RFC 4231. */
#include "wire/hmac.h"

#include <stdio.h>

#include "check_main.h"

static void signs(struct str key, const struct str *pieces, size_t n, const char *expected)
{
	struct hmac *hmac;
	unsigned char mac[HMAC_LEN];
	char hex[2 * HMAC_LEN + 1];

	ck_assert_int_eq(hmac_new(key, &hmac), 0);
	for (int again = 0; again < 2; again++) {
		ck_assert_int_eq(hmac_sign(hmac, pieces, n, mac), 0);
		for (size_t i = 0; i < HMAC_LEN; i++)
			snprintf(hex + 2 * i, 3, "%02x", mac[i]);
		ck_assert_str_eq(hex, expected);
	}
	hmac_free(hmac);
}

START_TEST(gives_what_the_rfc_says)
{
	const struct str one[] = {STR("what do ya want for nothing?")};
	const struct str pieces[] = {STR("what do ya "), STR(""), STR("want for nothing?")};
	const char *expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
	char key[131]; /* longer than a block */

	signs(STR("Jefe"), one, 1, expected);
	signs(STR("Jefe"), pieces, 3, expected);
	memset(key, 0xaa, sizeof(key));
	signs((struct str){key, sizeof(key)},
	      (const struct str[]){STR("Test Using Larger Than Block-Size Key - Hash Key First")}, 1,
	      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
END_TEST

START_TEST(compares_all_bytes)
{
	unsigned char a[HMAC_LEN] = {1, 2, 3}, b[HMAC_LEN] = {1, 2, 3};

	ck_assert(hmac_eq(a, b));
	for (size_t i = 0; i < HMAC_LEN; i++) {
		b[i] ^= 0x80;
		ck_assert(!hmac_eq(a, b));
		b[i] ^= 0x80;
	}
}
END_TEST

CHECK_MAIN("wire.hmac", gives_what_the_rfc_says, compares_all_bytes)
