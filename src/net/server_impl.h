/* The inside of net/: what its files share.
 *
 *   listener ──accepts──▶ door ──request head──▶ upgrade ──▶ ws ──▶ core/session
 *                          └────────────────────▶ admin
 *
 * A socket stands at the door until its request head is complete; plain HTTP is answered there. One that asks properly
 * for the websocket is handed to libwebsockets together with a request of our own making, so that all decisions on
 * HTTP are ours: libwebsockets decodes `+` as a space, refuses %00 by hanging up, keeps 4 KB per waiting socket, and
 * times out late on a guest loop.
 *
 * Whatever waits, waits on one of two wheels, turned ten times a second. */
#ifndef GRID_NET_SERVER_IMPL_H
#define GRID_NET_SERVER_IMPL_H

#include <ev.h>
#include <libwebsockets.h>

#include "base/log.h"
#include "base/wheel.h"
#include "net/addr.h"
#include "net/counters.h"
#include "net/flush.h"
#include "net/server.h"

#define SUBPROTOCOL "grid.v1.json"
#define WEBSOCKET_PATH "/ws"

struct listener;
struct door;
struct arrival;

struct server {
	struct server_env env;
	struct hub *hub;
	struct ev_loop *ev;
	struct addr_trust trust;

	struct listener *listeners;
	uint64_t accept_again_ms; /* out of descriptors: tried again then; 0: accepting */
	struct log_limit accept_limit;

	struct wheel doors; /* deadlines of requests */
	struct wheel conns; /* heartbeats and closes */
	struct loop_timer *tick;
	struct door *door_list;
	struct door *put_off, *last_put_off; /* of these, waiting to be let in, oldest first */
	struct ev_timer let_in;              /* active while there are any */

	struct lws_context *lws;
	struct lws_vhost *vhost;
	struct arrival *arriving; /* what ESTABLISHED belongs to, during ws_adopt() */
	unsigned char *scratch;   /* frames of one send, copied together */
	struct msgbuf *ping;
	bool dying; /* server_free() has begun: no more output */

	struct flusher flusher; /* hub_flush() */

	struct net_counters counters;
	struct metric_set metrics;
};

#endif
