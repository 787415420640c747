/* What one option's type and range cannot say: values that must fit each other or the machine. */
#ifndef GRID_DAEMON_CONFIG_CHECK_H
#define GRID_DAEMON_CONFIG_CHECK_H

#include "daemon/config_loader.h"

/* For a configuration whose options are all right by themselves. Opens nothing but files to see that they can be
 * read. */
void config_check(struct config_loader *loader);

#endif
