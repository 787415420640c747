/* A socket between accept and its request: reads the head, within ten seconds and 16 KB, then answers, or lets it in as
 * a websocket. One request per connection. */
#ifndef GRID_NET_DOOR_H
#define GRID_NET_DOOR_H

#include "net/http.h"
#include "net/server_impl.h"

#define DOOR_HEAD_MAX 16384 /* cookies of 8 KB and a query of 4 KB fit */
#define DOOR_TIMEOUT_MS 10000

/* What is answered. */
struct reply {
	int status;
	const char *type;   /* Content-Type; NULL: text/plain */
	const char *fields; /* further header lines, each with CRLF, or NULL */
	struct str body;
};

/* Takes `fd`. */
void door_open(struct server *server, int fd, const struct sockaddr_storage *peer, bool admin);
void door_close_all(struct server *server);
/* Wheel callback of server->doors. */
void door_due(struct wheel_entry *entry, uint64_t now_ms, void *server);

#endif
