/* The configuration: every module's options in one struct, filled from
 *
 *   defaults < file < environment (GRIDNODE_BUS_DRIVER=...) < command line (--set bus.driver=...)
 *
 * and checked as a whole before anything opens. Read at start only. */
#ifndef GRID_DAEMON_CONFIG_H
#define GRID_DAEMON_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/options.h"
#include "bus/config.h"
#include "core/config.h"
#include "net/config.h"

struct config {
	struct {
		char *id; /* never empty after config_load() */
	} node;
	char *state_dir; /* empty: nothing is kept over a restart */
	struct {
		int level; /* enum log_level */
	} log;
	struct net_config net; /* admin.port never 0 after config_load() unless the address is a unix socket */
	struct core_config core;
	struct bus_config bus;
};

/* All options there are. */
extern const struct option_set config_options;

/* One option from the command line. */
struct config_override {
	const char *where; /* for messages: "--set", "--port" */
	const char *name;
	const char *value;
};

struct config_sources {
	const char *file;      /* NULL: none */
	char *const *environ_; /* as `environ`; NULL: none */
	const struct config_override *overrides;
	size_t n_overrides;
};

enum { CONFIG_E_INVALID = 1 };

/* Reads all sources and checks the whole. On CONFIG_E_INVALID `errp` has one line for each thing that is wrong, each
 * beginning with its source: `conf/gridnode.conf:12: bus.driver: expected ..., got "kafka"`. -ENOMEM. In both cases
 * `config` holds nothing. `warnp` gets lines about what works but should be different. */
GRID_MUST_CHECK int config_load(const struct config_sources *sources, struct config *config, struct buf *errp,
                                struct buf *warnp);
void config_deinit(struct config *config);

/* The values in force, one `name = value` per line, secrets as ***. */
void config_print(const struct config *config, struct buf *out);

#endif
