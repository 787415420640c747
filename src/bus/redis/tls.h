/* TLS on a connection of hiredis: tls_hiredis.c where hiredis has it (1.0 and later), else tls_none.c;
 * src/CMakeLists.txt chooses. `redis_tls_lacks` (bus/config.h) says which one it is. */
#ifndef GRID_BUS_REDIS_TLS_H
#define GRID_BUS_REDIS_TLS_H

#include <stddef.h>

#include "base/err.h"
#include "bus/config.h"

struct redisContext;

/* Begins, on a connected socket; the handshake goes on with reading and writing. -EPROTO: `why` says why. */
GRID_MUST_CHECK int tls_start(struct redisContext *context, const struct redis_config *config, const char *host,
                              char *why, size_t why_size);
/* What TLS itself says about the last failure, or NULL. */
const char *tls_why(void);

#endif
