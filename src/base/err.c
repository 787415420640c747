#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

void grid_assert_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "gridnode: bug: assertion failed: %s (%s:%d)\n", cond, file, line);
	abort();
}
