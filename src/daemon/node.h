/* One node from start to end: what is opened in which order, what stops it, and what is closed in which order.
 *
 *   start    loop ▶ server ▶ hub ▶ bus ▶ listeners
 *   run      the bus wakes the loop: bus_turn(); hub_tick() and the same every 100 ms
 *   stop     no new sockets, clients told to go elsewhere; over when they have gone, or after drain.timeout
 *   end      bus ▶ server ▶ hub ▶ loop
 *
 * Signals: SIGTERM and SIGINT stop, a second one ends the process at once. SIGHUP is logged and does nothing: the
 * configuration is read at start only. SIGPIPE is ignored. */
#ifndef GRID_DAEMON_NODE_H
#define GRID_DAEMON_NODE_H

#include "daemon/config.h"

enum node_exit {
	NODE_EXIT_OK = 0,
	NODE_EXIT_FAILED = 1,
	NODE_EXIT_CONFIG = 2, /* main's: node_run() is not reached */
	NODE_EXIT_BUS = 3,
};

/* Returns when the node has stopped; the process' exit code. Why it failed has been said on stderr. */
enum node_exit node_run(const struct config *config);

#endif
