/* The names in Redis that belong to this grid and this node (docs/protocol.md, section 4). */
#ifndef GRID_BUS_REDIS_NAMES_H
#define GRID_BUS_REDIS_NAMES_H

#include "base/err.h"
#include "base/str.h"
#include "wire/names.h"

#define CHANNEL_HEAD_MAX 64 /* "<prefix>.users:" */
#define CHANNEL_MAX (CHANNEL_HEAD_MAX + KEY_MAX)

enum { REDIS_NAMES_E_BAD = 1 };

struct redis_names {
	char users[CHANNEL_HEAD_MAX]; /* what a user's channel begins with */
	char rooms[CHANNEL_HEAD_MAX];
	char offline[CHANNEL_HEAD_MAX]; /* the stream of absent users' messages */
	char turn[CHANNEL_HEAD_MAX];    /* whose turn it is to move what is in there */
	char nodes[CHANNEL_HEAD_MAX];   /* the channel of all nodes */
	char check[CHANNEL_MAX + 1];    /* a channel that only this life of the node subscribes to */
};

/* -EINVAL: the prefix is too long. */
GRID_MUST_CHECK int redis_names_init(struct redis_names *names, const char *prefix, const char *node_id,
                                     const char *epoch);
/* The channel of a key; NUL-terminated, and returned. */
struct str redis_channel(const struct redis_names *names, const struct key *key, char out[CHANNEL_MAX + 1]);
/* The key behind a channel. REDIS_NAMES_E_BAD: none. */
GRID_MUST_CHECK int redis_channel_key(const struct redis_names *names, struct str channel, struct key *out);

#endif
