/* A publisher over websockets of its own, which come back by the same rules as any client. It has one, unless the URL
 * says where messages go: then one for each target. */
#ifndef GRID_BENCH_PUBLISHER_WS_H
#define GRID_BENCH_PUBLISHER_WS_H

#include "bench/client.h"
#include "bench/publisher.h"

struct publisher_link {
	struct client client;
	struct publisher_ws *publisher;
	struct bench_name user, room;
};

/* A slot that waits for the answer to the sync after it. */
struct publisher_unsynced {
	uint32_t slot;
	uint32_t sync;
};

struct publisher_ws {
	struct publisher base;
	struct publisher_link *links;
	uint32_t n_links, n_welcomed;
	uint32_t first_target;               /* links[i] goes to target first_target + i, if there are several */
	struct publisher_unsynced *unsynced; /* a ring of `window`, in the order they were sent */
	uint32_t n_unsynced, first_unsynced;
	uint32_t syncs_sent, syncs_heard;
	struct buf frame; /* the one being written */
};

/* Which targets have a link of their own. */
struct publisher_targets {
	uint32_t first, n; /* 1: all go over one */
};

/* `publisher->base` is ready (publisher_init() with publisher_ws_ops), and its deinit is due beside this one's. `i` as
 * in client_init(). -ENOMEM; deinit is due in any case. */
GRID_MUST_CHECK int publisher_ws_init(struct publisher_ws *publisher, struct clients *clients,
                                      struct publisher_targets targets, uint32_t i);
void publisher_ws_deinit(struct publisher_ws *publisher);
/* Connects. */
void publisher_ws_start(struct publisher_ws *publisher);

extern const struct publisher_ops publisher_ws_ops;

#endif
