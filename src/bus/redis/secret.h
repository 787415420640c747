/* Secrets from the configuration or from a file. */
#ifndef GRID_BUS_REDIS_SECRET_H
#define GRID_BUS_REDIS_SECRET_H

#include "base/buf.h"
#include "base/err.h"

enum { SECRET_E_UNREADABLE = 1 };

/* Appends the file's first line if there is a `file`, else `value`. SECRET_E_UNREADABLE: errno says why; an empty file
 * is ENODATA. -ENOMEM. */
GRID_MUST_CHECK int secret_read(const char *value, const char *file, struct buf *out);
/* Wipes and frees. Fits GRID_CLEANUP. */
void secret_deinit(struct buf *secret);

#endif
