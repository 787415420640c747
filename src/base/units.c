#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct unit units_none[] = {{"", 1}, {NULL, 0}};

const struct unit units_duration[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

const struct unit units_size[] = {
    {"G", 1073741824}, {"M", 1048576}, {"K", 1024}, {"", 1}, {NULL, 0},
};

/* 0: no such suffix. */
static int64_t factor_of(const struct unit *units, const char *suffix)
{
	if (*suffix == '\0')
		return 1;
	for (; units->suffix; units++)
		if (strcmp(units->suffix, suffix) == 0)
			return units->factor;
	return 0;
}

int units_parse(const struct unit *units, const char *text, int64_t *out)
{
	const char *digits = *text == '-' ? text + 1 : text;
	char *end;

	/* strtoll also takes white space and a plus, which nobody means. */
	if (!isdigit((unsigned char)*digits))
		return UNITS_E_BAD;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	int64_t factor = factor_of(units, end);
	int64_t value;
	if (errno || factor == 0 || __builtin_mul_overflow((int64_t)number, factor, &value))
		return UNITS_E_BAD;
	*out = value;
	return 0;
}

void units_put(const struct unit *units, int64_t value, struct buf *out)
{
	while (units->factor != 1 && (value == 0 || value % units->factor != 0))
		units++;
	buf_put_i64(out, value / units->factor);
	buf_puts(out, units->suffix);
}
