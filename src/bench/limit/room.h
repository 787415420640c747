/* Rooms: who receives in each, and what is published there. A room is there while a socket has it. */
#ifndef GRID_BENCH_LIMIT_ROOM_H
#define GRID_BENCH_LIMIT_ROOM_H

#include "bench/limit/stream.h"

#define ROOM_BUCKETS 16384

struct socket;

struct room {
	struct room *next; /* in its bucket */
	struct str name;   /* behind the structure */
	struct rooms *rooms;
	unsigned sockets; /* that have it, publishers and receivers */
	struct socket **receivers;
	size_t n, cap;
	struct stream stream;
	struct room *next_dirty;
	bool dirty; /* published to, not flushed yet */
};

struct rooms {
	struct room *buckets[ROOM_BUCKETS];
	struct room *dirty;
};

/* The room of that name, made if need be, for one more socket. NULL: out of memory. */
struct room *room_ref(struct rooms *rooms, struct str name);
/* One socket less has it; the last one's room is gone. It is not dirty then. */
void room_unref(struct room *room);

/* -ENOMEM. */
GRID_MUST_CHECK int room_add(struct room *room, struct socket *receiver);
void room_remove(struct room *room, struct socket *receiver);

/* Puts one message, as a frame, behind what waits for the flush. -ENOMEM. */
GRID_MUST_CHECK int room_publish(struct room *room, struct str text);
/* Sends each receiver what was published since the last flush: one send() each, and the same bytes for all. */
void room_flush(struct room *room);
/* All that were published to. */
void rooms_flush(struct rooms *rooms);

#endif
