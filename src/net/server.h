/* The sockets: websocket listeners for clients, an HTTP listener for operators. The only libwebsockets context. */
#ifndef GRID_NET_SERVER_H
#define GRID_NET_SERVER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/metrics.h"
#include "core/config.h"
#include "core/hub.h"
#include "core/transport.h"
#include "net/config.h"
#include "net/loop.h"

struct server;

struct server_env {
	struct loop *loop;
	const struct net_config *config;
	const struct core_config *core; /* heartbeat and limits */
	struct metric_registry *metrics;
};

/* Hand it to the hub, with the server as transport_ctx. */
extern const struct transport server_transport;

/* The server exists before the hub (the hub needs its transport); it listens only after server_listen(). */
GRID_MUST_CHECK int server_new(const struct server_env *env, struct server **serverp);
/* Opens all listeners. -errno, with a sentence in `errp` naming the address and what to do (port taken, no permission,
 * address not of this machine, unix path in use). */
GRID_MUST_CHECK int server_listen(struct server *server, struct hub *hub, struct buf *errp);
/* Sends what waits to be sent, if there is no pause: what the bus had for the moment is read. */
void server_flush(struct server *server);
/* Closes the client listeners; the sockets there are stay, the admin listener too. */
void server_stop_accepting(struct server *server);
/* Drops every socket that is left. Not from inside a loop callback: after loop_run() has returned. Takes and returns
 * NULL. */
struct server *server_free(struct server *server);

#endif
