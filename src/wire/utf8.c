#include "wire/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The second byte carries all of RFC 3629's exceptions: overlong forms, surrogates, and the end of Unicode. */
static bool second_fits(unsigned char lead, unsigned char second)
{
	switch (lead) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return is_tail(second);
	}
}

size_t utf8_char(const unsigned char *p, size_t n)
{
	unsigned char lead = p[0];

	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4 || n < 2 || !second_fits(lead, p[1]))
		return 0;
	if (lead < 0xe0)
		return 2;
	if (n < 3 || !is_tail(p[2]))
		return 0;
	if (lead < 0xf0)
		return 3;
	return n >= 4 && is_tail(p[3]) ? 4 : 0;
}

size_t utf8_wide_run(const unsigned char *p, size_t n)
{
	size_t at = 0;

	while (at < n && p[at] >= 0x80) {
		size_t len = utf8_char(p + at, n - at);
		if (len == 0)
			return 0;
		at += len;
	}
	return at;
}

bool utf8_valid(const void *text, size_t n)
{
	const unsigned char *p = text;

	while (n > 0) {
		uint64_t eight;
		if (n >= sizeof(eight)) {
			memcpy(&eight, p, sizeof(eight));
			if (!(eight & 0x8080808080808080u)) {
				p += sizeof(eight);
				n -= sizeof(eight);
				continue;
			}
		}
		size_t len = *p < 0x80 ? 1 : utf8_wide_run(p, n);
		if (len == 0)
			return false;
		p += len;
		n -= len;
	}
	return true;
}
