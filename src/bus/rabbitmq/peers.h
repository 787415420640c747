/* The other nodes, as far as they have been heard: who has been silent for so long that its queue is to be reaped.
 *
 * Silence means something only while we could have heard. Our own hello takes the same way as everybody's, so it is the
 * pulse: as long as it does not come back (our link is cut, the broker blocks publishing, this process was stopped)
 * nobody is judged, and when it does again all clocks start anew.
 *
 * No connection, no clock of its own; times are monotonic milliseconds. The consumer's. */
#ifndef GRID_BUS_RABBITMQ_PEERS_H
#define GRID_BUS_RABBITMQ_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define PEERS_MAX 4096
#define PEER_QUEUE_MAX 255 /* bytes; AMQP allows no more */
#define PEER_ORIGIN_MAX 127

struct peers;

struct peer {
	char queue[PEER_QUEUE_MAX + 1];   /* the last one it was known to serve */
	char origin[PEER_ORIGIN_MAX + 1]; /* "<id>.<epoch>" of the last hello; empty: a leftover of our own */
	unsigned tries;                   /* that somebody else had its consumer, since then */
};

enum { PEERS_E_FULL = 1, PEERS_E_KNOWN };

/* `dead_after_ms`: 0 for never. Hellos come every `hello_ms`. `seed` differs from node to node: it spreads them, so
 * that they do not all try in the same moment. NULL when out of memory. */
struct peers *peers_new(uint64_t dead_after_ms, uint64_t hello_ms, uint32_t seed);
struct peers *peers_free(struct peers *p); /* takes and returns NULL */

/* Nobody could be heard until now. */
void peers_restart(struct peers *p, uint64_t now_ms);
/* Our own hello came back. */
void peers_pulse(struct peers *p, uint64_t now_ms);
/* Node <id> says that it lives, and serves `queue`; empty: none at the moment, then it only counts if it is known.
 * PEERS_E_FULL, -ENOMEM: one that was not known before and stays unknown. */
GRID_MUST_CHECK int peers_heard(struct peers *p, const char *queue, const char *origin, uint64_t now_ms);
/* A queue we have left behind ourselves and nobody will come back for: due at once, whatever `dead_after_ms`. The same
 * results, and PEERS_E_KNOWN: so it was before. */
GRID_MUST_CHECK int peers_add_leftover(struct peers *p, const char *queue);

/* The one that is due longest, or NULL. Valid until the next call that is not const. */
const struct peer *peers_due(const struct peers *p, uint64_t now_ms);
/* Somebody has its consumer: its owner, or another node that reaps it. It waits again. */
void peers_postpone(struct peers *p, const struct peer *peer, uint64_t now_ms);
/* Its queue is no more. */
void peers_forget(struct peers *p, const struct peer *peer);
/* Is it the same node, whatever its epoch? Never of a leftover. */
bool peer_same_node(const char *origin, const char *other);
size_t peers_count(const struct peers *p);

#endif
