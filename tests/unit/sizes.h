/* Sizes of what there is many times, for tests with a table of them. A size is recorded with what it is made of, on
 * machines with 8-byte pointers; elsewhere nothing is compared.
 *
 * Exactly: what is larger costs every connection, or every message; what has become smaller is to stay so. `gdb -batch
 * -ex 'ptype/o struct session' build/dev/gridnode` shows members and holes. */
#ifndef GRID_TESTS_SIZES_H
#define GRID_TESTS_SIZES_H

#include <check.h>
#include <stddef.h>

struct size {
	const char *name;
	size_t is;
	size_t recorded;
	const char *made_of;
};

#define SIZE(name, recorded, made_of)                                                                                  \
	{                                                                                                                  \
#name, sizeof(struct name), recorded, made_of                                                                  \
	}

static inline void check_sizes(const struct size *sizes, size_t n)
{
	if (sizeof(void *) != 8)
		return;
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(sizes[i].is == sizes[i].recorded,
		              "struct %s has %zu bytes, recorded are %zu: %s. Larger: is it worth that for each of them? "
		              "Either way the table has the new size and its reason",
		              sizes[i].name, sizes[i].is, sizes[i].recorded, sizes[i].made_of);
}

#endif
