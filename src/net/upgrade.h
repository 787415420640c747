/* Is this request a websocket handshake we take (RFC 6455, section 4.2), and what does it bring? */
#ifndef GRID_NET_UPGRADE_H
#define GRID_NET_UPGRADE_H

#include "core/session.h"
#include "net/door.h"

/* A client on its way from the door to libwebsockets. */
struct arrival {
	struct handshake handshake; /* into the buffers below */
	struct buf user, token;
	char address[ADDR_TEXT_MAX];
	char key[25];     /* Sec-WebSocket-Key */
	bool subprotocol; /* ours was offered */
	struct str rest;  /* what came behind the head */
};

struct upgrade_refusal {
	enum reject why;
	struct reply reply;
};

/* True: let it in. */
bool upgrade_check(const struct http_head *head, struct upgrade_refusal *refusal);
/* For a head that passed. `head` outlives the arrival; upgrade_arrival_deinit() in any case. -ENOMEM. */
GRID_MUST_CHECK int upgrade_arrival(struct server *server, const struct http_head *head, const struct sockaddr *peer,
                                    struct arrival *arrival);
void upgrade_arrival_deinit(struct arrival *arrival);

#endif
