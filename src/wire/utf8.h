/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef GRID_WIRE_UTF8_H
#define GRID_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes (1-4) of the valid character that starts at p, or 0. `n` > 0 bytes are there. */
size_t utf8_char(const unsigned char *p, size_t n);
/* Length in bytes of the run of non-ASCII characters that starts at p, or 0 when one of them is not valid. `n` > 0
 * bytes are there, the first one not ASCII. */
size_t utf8_wide_run(const unsigned char *p, size_t n);
bool utf8_valid(const void *p, size_t n);

#endif
