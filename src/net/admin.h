/* What operators may ask over HTTP: /healthz, /readyz, /metrics. */
#ifndef GRID_NET_ADMIN_H
#define GRID_NET_ADMIN_H

#include "net/door.h"

/* Fills `reply`; its body may lie in `body`. */
void admin_serve(struct server *server, const struct http_head *head, struct buf *body, struct reply *reply);

#endif
