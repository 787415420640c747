/* Stands in until the driver is there. */
#include <errno.h>

#include "bus/bus.h"

static int absent_open(struct bus *bus, const struct bus_config *config, const struct bus_env *env, void **implp)
{
	(void)bus, (void)config, (void)env, (void)implp;
	return -ENOSYS;
}

const struct bus_driver bus_rabbitmq_driver = {.name = "rabbitmq", .open = absent_open};
