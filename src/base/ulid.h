/* ULIDs: 26 characters of Crockford base32, 48 bits of Unix milliseconds and 80 random bits, sortable by time.
 * Source: https://github.com/ulid/spec; within one millisecond the random part counts up, so ids of one generator
 * are strictly increasing. */
#ifndef GRID_BASE_ULID_H
#define GRID_BASE_ULID_H

#include <stdint.h>

#define ULID_LEN 26

struct ulid {
	char text[ULID_LEN + 1]; /* NUL-terminated */
};

struct ulid_source {
	uint64_t last_ms;
	uint8_t entropy[10]; /* big-endian 80 bits of the last id */
};

/* An all-zero source is ready to use. `unix_ms` is the current Unix time; going backwards keeps the last one. */
void ulid_next(struct ulid_source *source, uint64_t unix_ms, struct ulid *out);

#endif
