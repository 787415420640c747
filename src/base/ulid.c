#include "base/ulid.h"

#include <stdbool.h>
#include <sys/random.h>

#include "base/err.h"

static void fresh_entropy(uint8_t entropy[10])
{
	ssize_t n;
	do
		n = getrandom(entropy, 10, 0);
	while (n < 0);
	GRID_ASSERT(n == 10); /* getrandom(2): up to 256 bytes are never cut short */
	entropy[0] &= 0x7f;   /* room to count up within a millisecond without overflow */
}

static void count_up(uint8_t entropy[10])
{
	for (int i = 9; i >= 0; i--)
		if (++entropy[i] != 0)
			return;
}

static void encode(uint64_t ms, const uint8_t entropy[10], char out[ULID_LEN + 1])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

	for (int i = 9; i >= 0; i--, ms >>= 5)
		out[i] = digits[ms & 31];
	for (int i = 0; i < 16; i++) {
		int bit = i * 5, byte = bit / 8, shift = 11 - bit % 8;
		unsigned two = (unsigned)entropy[byte] << 8 | (byte < 9 ? entropy[byte + 1] : 0u);
		out[10 + i] = digits[two >> shift & 31];
	}
	out[ULID_LEN] = '\0';
}

void ulid_next(struct ulid_source *source, uint64_t unix_ms, struct ulid *out)
{
	if (unix_ms > source->last_ms) {
		source->last_ms = unix_ms;
		fresh_entropy(source->entropy);
	} else {
		count_up(source->entropy);
	}
	encode(source->last_ms, source->entropy, out->text);
}
