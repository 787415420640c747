/* The configuration file: libconfig's syntax (http://hyperrealm.github.io/libconfig/), one group per part of an
 * option's name. */
#ifndef GRID_DAEMON_CONFIG_FILE_H
#define GRID_DAEMON_CONFIG_FILE_H

#include "daemon/config_loader.h"

/* Sets what the file sets; what is wrong ends up in the loader, with file and line. */
void config_file_load(struct config_loader *loader, const char *path);

#endif
