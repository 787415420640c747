#include "bench/limit/room.h"

#include <errno.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "bench/limit/server_frame.h"
#include "bench/limit/socket.h"

/* --- the table ---------------------------------------------------------------------------------------------------- */

static struct room **bucket_of(struct rooms *rooms, struct str name)
{
	const struct siphash_key key = {0};
	struct siphash hash = siphash_begin(&key);

	siphash_add(&hash, name.p, name.n);
	return &rooms->buckets[siphash_end(&hash) % ROOM_BUCKETS];
}

static struct room *room_new(struct rooms *rooms, struct str name)
{
	struct room *room = calloc(1, sizeof(*room) + name.n);
	struct room **bucket = bucket_of(rooms, name);

	if (!room)
		return NULL;
	memcpy(room + 1, name.p, name.n);
	room->name = (struct str){(const char *)(room + 1), name.n};
	room->rooms = rooms;
	room->next = *bucket;
	*bucket = room;
	return room;
}

struct room *room_ref(struct rooms *rooms, struct str name)
{
	struct room *room = *bucket_of(rooms, name);

	while (room && !str_eq(room->name, name))
		room = room->next;
	if (!room)
		room = room_new(rooms, name);
	if (room)
		room->sockets++;
	return room;
}

void room_unref(struct room *room)
{
	struct room **place = bucket_of(room->rooms, room->name);

	if (--room->sockets)
		return;
	GRID_ASSERT(room->n == 0 && !room->dirty);
	while (*place != room)
		place = &(*place)->next;
	*place = room->next;
	stream_deinit(&room->stream);
	free(room->receivers);
	free(room);
}

/* --- receivers ---------------------------------------------------------------------------------------------------- */

int room_add(struct room *room, struct socket *receiver)
{
	if (room->n == room->cap) {
		size_t cap = room->cap ? 2 * room->cap : 16;
		struct socket **receivers = realloc(room->receivers, cap * sizeof(struct socket *));
		if (!receivers)
			return -ENOMEM;
		room->receivers = receivers;
		room->cap = cap;
	}
	receiver->place = room->n;
	room->receivers[room->n++] = receiver;
	return 0;
}

void room_remove(struct room *room, struct socket *receiver)
{
	struct socket *last = room->receivers[--room->n];

	GRID_ASSERT(room->receivers[receiver->place] == receiver || last == receiver);
	room->receivers[receiver->place] = last;
	last->place = receiver->place;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

int room_publish(struct room *room, struct str text)
{
	struct buf *bytes = stream_open(&room->stream);

	if (!bytes)
		return -ENOMEM;
	server_frame_put(bytes, WS_TEXT, text);
	if (bytes->failed)
		return -ENOMEM;
	if (!room->dirty) {
		room->dirty = true;
		room->next_dirty = room->rooms->dirty;
		room->rooms->dirty = room;
	}
	return 0;
}

/* The receivers stay where they are meanwhile: a socket that ends leaves its room after the turn. */
static void flush(struct room *room)
{
	const struct str bytes = stream_fresh(&room->stream);

	room->dirty = false;
	for (size_t i = 0; i < room->n; i++)
		socket_offer(room->receivers[i], bytes);
	stream_seal(&room->stream);
}

void rooms_flush(struct rooms *rooms)
{
	struct room *room;

	while ((room = rooms->dirty)) {
		rooms->dirty = room->next_dirty;
		flush(room);
	}
}
