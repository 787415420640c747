/* One websocket of the limit server. It receives in its room or publishes to it.
 *
 *   HANDSHAKE ──request──▶ OPEN ──close frame, end, error──▶ CLOSED, freed after the turn
 *
 * What its socket does not take at once waits, and is sent when there is room: first the rest of an answer of its own,
 * then the room's stream from where it is. While something waits it is not read from, so no answer gets in between. */
#ifndef GRID_BENCH_LIMIT_SOCKET_H
#define GRID_BENCH_LIMIT_SOCKET_H

#include "bench/limit/room.h"
#include "bench/limit/source.h"

enum socket_state { SOCKET_HANDSHAKE, SOCKET_OPEN, SOCKET_CLOSED };

/* What all sockets of a server have in common. */
struct sockets {
	int epoll_fd;
	bool batch;            /* flush after each turn; else after each message */
	uint64_t backlog;      /* bytes a receiver may be behind before it is closed */
	char *scratch;         /* what recv() fills: SOCKET_READ_MAX bytes */
	struct rooms rooms;    /* all empty once all sockets are freed */
	struct socket *first;  /* all of them */
	struct socket *closed; /* to be freed */
	uint64_t too_slow;     /* receivers closed for being too far behind */
	int error;             /* what the server must end with: -errno */
};

#define SOCKET_READ_MAX 65536

struct socket {
	struct source source;
	struct sockets *sockets;
	int fd;
	enum socket_state state;
	bool receives;
	bool waiting; /* for the socket to take more; CLOSED: always */
	struct room *room;
	size_t place; /* in the room's receivers */
	struct reader reader;
	struct buf answer; /* the rest of one that the socket did not take; almost never anything */
	struct buf in;     /* the beginning of a message that is not all there; almost never anything */
	struct socket *prev, *next;
	struct socket *next_closed;
};

/* Takes over a connection. -errno; the descriptor is closed then. */
GRID_MUST_CHECK int socket_new(struct sockets *sockets, int fd);
/* The room's fresh bytes: sent now if nothing waits; what is not taken waits. */
void socket_offer(struct socket *socket, struct str bytes);
/* Frees what was closed. No socket's events are being worked on. */
void sockets_free_closed(struct sockets *sockets);
/* Closes and frees all. */
void sockets_close(struct sockets *sockets);

#endif
