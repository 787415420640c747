/* A listening socket: TCP on one address, or a unix socket. */
#ifndef GRID_NET_LISTENER_H
#define GRID_NET_LISTENER_H

#include "net/server_impl.h"

struct listener;

/* Binds, listens and accepts from now on. -errno, with a sentence in `errp`. */
GRID_MUST_CHECK int listener_open(struct server *server, const char *address, int64_t port, bool admin,
                                  struct buf *errp);
/* Closes those for clients, or all. */
void listener_close_all(struct server *server, bool admin_too);
/* After a pause for want of descriptors: tries again. */
void listener_resume_all(struct server *server);

#endif
