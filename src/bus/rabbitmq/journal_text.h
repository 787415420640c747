/* What stands in a journal: a header, then one line for each step of a key's life on the broker. The last line of a key
 * counts.
 *
 *   grid-journal 1                          +room.lobby     about to be bound
 *   boot 4f0c3a1e-…                         =room.lobby     bound
 *   vhost grid                              ~room.lobby     about to be unbound
 *   queue grid.node.n1                      -room.lobby     not bound
 *   epoch 01KC…                             + and ~ leave open whether the broker has done it.
 *   left grid.node.n1.01KB…   (0 to 8 times)
 *
 * So whatever is bound has a line other than `-`, at any time. */
#ifndef GRID_BUS_RABBITMQ_JOURNAL_TEXT_H
#define GRID_BUS_RABBITMQ_JOURNAL_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ulid.h"
#include "bus/rabbitmq/topology.h"
#include "wire/names.h"

#define JOURNAL_NAME_MAX 255 /* of a virtual host, a queue: AMQP's short strings */
#define JOURNAL_LEFT_MAX 8

/* Which bindings a journal is about. Not which broker: the brokers of a cluster have no name in common, and the epoch
 * is bound on no other. */
struct journal_header {
	char boot[64]; /* of the machine: lines may be missing after a crash of it */
	char vhost[JOURNAL_NAME_MAX + 1];
	char queue[JOURNAL_NAME_MAX + 1];
	char epoch[ULID_LEN + 1];                          /* when nothing was bound to the queue yet */
	char left[JOURNAL_LEFT_MAX][JOURNAL_NAME_MAX + 1]; /* queues of before, left behind, oldest first */
	size_t n_left;
};

enum journal_mark {
	JOURNAL_BINDING = '+',
	JOURNAL_BOUND = '=',
	JOURNAL_UNBINDING = '~',
	JOURNAL_UNBOUND = '-',
};

struct journal_keys {
	struct key *bound;
	size_t n_bound;
	struct key *unsure;
	size_t n_unsure;
};

enum { JOURNAL_E_NONE = 1, JOURNAL_E_VERSION, JOURNAL_E_GARBAGE };

/* A last line without an end is one that was being written, and does not count. `keys` is only set on 0; give it to
 * journal_keys_deinit(). VERSION, GARBAGE, -ENOMEM. */
GRID_MUST_CHECK int journal_parse(struct str text, struct journal_header *header, struct journal_keys *keys);
void journal_keys_deinit(struct journal_keys *keys);

void journal_put_header(struct buf *out, const struct journal_header *header);
void journal_put_key(struct buf *out, enum journal_mark mark, const struct key *key);
void journal_put_keys(struct buf *out, const struct journal_keys *keys);

/* Why `found` says nothing about the queue that we would serve now; NULL: it does. */
const char *journal_mismatch(const struct journal_header *found, const struct journal_header *ours);

#endif
