/* The failover driver on two fake ones. */
#ifndef GRID_TESTS_BUS_FAKE_DRIVER_H
#define GRID_TESTS_BUS_FAKE_DRIVER_H

#include "fake_broker.h"

/* As bus_driver.open. Node n1 is on the second link of each broker. */
int open_on_fakes(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp);

#endif
