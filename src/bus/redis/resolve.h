/* Looking up a host name without keeping the loop waiting. */
#ifndef GRID_BUS_REDIS_RESOLVE_H
#define GRID_BUS_REDIS_RESOLVE_H

#include <netinet/in.h>

#include "base/err.h"

struct resolve;

enum { RESOLVE_E_BUSY = 1, RESOLVE_E_FAILED };

/* Begins, on a thread of its own. -ENOMEM, -EAGAIN. */
GRID_MUST_CHECK int resolve_start(const char *host, struct resolve **resolvep);
/* 0: `address` is the first one, numeric. RESOLVE_E_BUSY: not yet. RESOLVE_E_FAILED: *whyp says why (static). */
GRID_MUST_CHECK int resolve_poll(struct resolve *resolve, char address[INET6_ADDRSTRLEN], const char **whyp);
struct resolve *resolve_free(struct resolve *resolve); /* takes and returns NULL; also while busy */

#endif
