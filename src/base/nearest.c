#include "base/nearest.h"

#include <ctype.h>
#include <string.h>

#define LONGEST 128

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

size_t nearest_distance(const char *a, const char *b)
{
	size_t na = strnlen(a, LONGEST);
	size_t nb = strnlen(b, LONGEST);
	size_t row[LONGEST + 1]; /* row[j]: from the first i letters of a to the first j of b */

	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t changed = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
			diagonal = row[j];
			row[j] = min3(changed, row[j] + 1, row[j - 1] + 1);
		}
	}
	return row[nb];
}
