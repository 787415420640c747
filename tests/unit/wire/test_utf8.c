/* UTF-8 against RFC 3629, every boundary of it. */
#include "wire/utf8.h"

#include <stdint.h>
#include <string.h>

#include "check_main.h"

/* The plain way to do it: decode by the pattern of the bits, then look at what came out. */
static size_t by_the_book(const unsigned char *p, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

	if (len <= 1)
		return len;
	if (len > n)
		return 0;
	uint32_t code = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	bool bad = code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff);
	return bad ? 0 : len;
}

START_TEST(agrees_with_the_book_on_every_start)
{
	static const unsigned char thirds[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0xbf, 0xc0, 0xff};

	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++)
			for (size_t c = 0; c < sizeof(thirds); c++)
				for (size_t d = 0; d < sizeof(thirds); d++)
					for (size_t n = 1; n <= 4; n++) {
						unsigned char text[] = {(unsigned char)a, (unsigned char)b, thirds[c], thirds[d]};
						if (utf8_char(text, n) != by_the_book(text, n)) /* ck_assert() is slow */
							ck_abort_msg("%02x %02x %02x %02x, %zu bytes", a, b, text[2], text[3], n);
					}
}
END_TEST

START_TEST(checks_whole_texts)
{
	const char *good = "plain ASCII, long enough for a word or two; \xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80 and on";

	ck_assert(utf8_valid("", 0));
	ck_assert(utf8_valid(NULL, 0));
	ck_assert(utf8_valid(good, strlen(good)));
	ck_assert(utf8_valid("\0\0\0\0\0\0\0\0\0", 9));
}
END_TEST

START_TEST(finds_a_bad_byte_wherever_it_stands)
{
	char text[40];

	for (size_t at = 0; at < sizeof(text); at++) {
		memset(text, 'a', sizeof(text));
		ck_assert(utf8_valid(text, sizeof(text)));
		text[at] = (char)0x80;
		ck_assert(!utf8_valid(text, sizeof(text)));
		text[at] = (char)0xc3; /* begins a character that does not end */
		ck_assert(!utf8_valid(text, sizeof(text)));
	}
}
END_TEST

CHECK_MAIN("wire.utf8", agrees_with_the_book_on_every_start, checks_whole_texts, finds_a_bad_byte_wherever_it_stands)
