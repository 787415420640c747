/* "Did you mean": which known name is closest to what somebody typed. */
#ifndef GRID_BASE_NEAREST_H
#define GRID_BASE_NEAREST_H

#include <stddef.h>

/* Letters to add, drop or change to get from one to the other (Levenshtein), upper and lower case being the same.
 * Beyond 128 bytes only the first 128 count. Three letters or more that the known name begins with are one away. */
size_t nearest_distance(const char *typed, const char *known);

#endif
