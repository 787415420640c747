/* How every function here says that it failed, and the few macros that make it impossible to ignore.
 *
 * An int result is
 *   0         success
 *   < 0       a negative errno: we, or the machine, are broken; pass it up
 *   > 0       an answer `X_E_...` declared in the header of the module: the caller handles it on the spot
 *
 * Assertions are for our own mistakes and are always on; never for input, never for malloc.
 * Out of memory on one request fails that request (-ENOMEM), not the process.
 */
#ifndef GRID_BASE_ERR_H
#define GRID_BASE_ERR_H

#include <stddef.h>

#define GRID_MUST_CHECK __attribute__((warn_unused_result))
#define GRID_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define GRID_CLEANUP(fn) __attribute__((cleanup(fn)))
#define GRID_NORETURN __attribute__((noreturn))

#define GRID_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define GRID_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define GRID_ASSERT(cond) ((cond) ? (void)0 : grid_assert_failed(#cond, __FILE__, __LINE__))

GRID_NORETURN void grid_assert_failed(const char *cond, const char *file, int line);

#endif
