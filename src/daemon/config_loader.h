/* What the sources of the configuration have in common while it is being read: where each value came from, and all that
 * is wrong. */
#ifndef GRID_DAEMON_CONFIG_LOADER_H
#define GRID_DAEMON_CONFIG_LOADER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "daemon/config.h"

#define CONFIG_LOADER_OPTIONS 128 /* room for so many options; asserted */

struct config_loader {
	struct config *config;
	struct buf *errp;                   /* a line for each thing that is wrong */
	char *where[CONFIG_LOADER_OPTIONS]; /* by place in the table; NULL: the default */
	bool failed;                        /* something is wrong */
	bool no_memory;
};

void config_loader_deinit(struct config_loader *loader);
/* Sets one option, or adds a line `where: what is wrong`. */
void config_loader_set(struct config_loader *loader, const char *where, const char *name, const char *text);
/* Adds such a line. */
GRID_PRINTF(3, 4) void config_loader_fail(struct config_loader *loader, const char *where, const char *fmt, ...);
/* Where the option's value came from: "default", or `where` of the last config_loader_set(). */
const char *config_loader_where(const struct config_loader *loader, const char *name);

#endif
