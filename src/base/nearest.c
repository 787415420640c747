#include "base/nearest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LONGEST 128
#define SHORTEST_BEGINNING 3

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

size_t nearest_distance(const char *typed, const char *known)
{
	size_t n_typed = strnlen(typed, LONGEST);
	size_t n_known = strnlen(known, LONGEST);
	size_t row[LONGEST + 1]; /* row[j]: from the first i letters typed to the first j known */

	if (n_typed >= SHORTEST_BEGINNING && n_typed < n_known && strncasecmp(typed, known, n_typed) == 0)
		return 1;
	for (size_t j = 0; j <= n_known; j++)
		row[j] = j;
	for (size_t i = 1; i <= n_typed; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n_known; j++) {
			size_t changed = diagonal + (tolower((unsigned char)typed[i - 1]) != tolower((unsigned char)known[j - 1]));
			diagonal = row[j];
			row[j] = min3(changed, row[j] + 1, row[j - 1] + 1);
		}
	}
	return row[n_known];
}
