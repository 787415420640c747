/* The command line. One table of flags gives the parser and the help; every other option is reached with --set. */
#ifndef GRID_DAEMON_CLI_H
#define GRID_DAEMON_CLI_H

#include "base/buf.h"
#include "base/err.h"
#include "daemon/config.h"

enum cli_action {
	CLI_RUN,
	CLI_CHECK_CONFIG,
	CLI_PRINT_CONFIG,
	CLI_HELP,
	CLI_VERSION,
};

struct cli {
	enum cli_action action;
	const char *config_file; /* NULL: none, the defaults hold */
	struct config_override *overrides;
	size_t n_overrides;
	char **copies; /* by override: memory of its own, or NULL */
};

enum { CLI_E_USAGE = 1 };

/* `argv` outlives the result. CLI_E_USAGE: `errp` has a line saying what is wrong, and a hint. -ENOMEM. On any result
 * the caller ends with cli_deinit(). */
GRID_MUST_CHECK int cli_parse(struct cli *cli, int argc, char *const *argv, struct buf *errp);
void cli_deinit(struct cli *cli);

/* All that --help prints: usage, flags, exit codes, examples, every option. */
void cli_help(struct buf *out);

#endif
