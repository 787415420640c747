/* A socket between accept and its request: reads the head, within ten seconds and 16 KB, then answers, or lets it in as
 * a websocket. One request per connection.
 *
 * A handshake takes the loop 70 us, and a thousand of them in a row hold up what others get. While more users wait for
 * their key than the bus takes at once, one more would only wait, too: such a crowd waits here, in order, and comes in
 * as fast as keys are bound. With 10,000 users at once, and RabbitMQ on the same two cores, the p99 of what others got
 * meanwhile was 2.4 ms instead of 14, and the crowd was in as soon. */
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
/* Timer callback of server->let_in: some of those who were put off. */
void door_let_in(struct ev_loop *ev, struct ev_timer *timer, int revents);
/* Wheel callback of server->doors. */
void door_due(struct wheel_entry *entry, uint64_t now_ms, void *server);

#endif
