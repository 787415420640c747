/* A publisher over a websocket of its own, which comes back by the same rules as any client. */
#ifndef GRID_BENCH_PUBLISHER_WS_H
#define GRID_BENCH_PUBLISHER_WS_H

#include "bench/client.h"
#include "bench/names.h"
#include "bench/publisher.h"

struct publisher_ws {
	struct publisher base;
	struct client client;
	struct buf frame; /* the one being written */
	char query[BENCH_NAME_MAX + 8];
};

/* `publisher->base` is ready (publisher_init() with publisher_ws_ops), and its deinit is due beside this one's. It
 * connects with client_start(); `i` as in client_init(). */
void publisher_ws_init(struct publisher_ws *publisher, struct clients *clients, uint32_t i);
void publisher_ws_deinit(struct publisher_ws *publisher);

extern const struct publisher_ops publisher_ws_ops;

#endif
