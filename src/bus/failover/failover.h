/* A bus made of two: messages go over the primary while it works, over the fallback while it does not, and nobody above
 * knows. See failover_state.h for how it is cut, decide.h for when it does what. */
#ifndef GRID_BUS_FAILOVER_FAILOVER_H
#define GRID_BUS_FAILOVER_FAILOVER_H

#include "bus/bus.h"
#include "bus/failover/sides.h"

/* `open` of a driver that is bus_failover_driver in all else. -ENOMEM, -errno of the drivers below, which outlive it.
 */
GRID_MUST_CHECK int failover_open(struct bus *bus, const struct bus_driver *const drivers[SIDES],
                                  const struct bus_config *config, const struct bus_env *env, void **implp);

#endif
