/* A memory of 64-bit ids, bounded in number and in time, with a value for each: the youngest `max`, none older than
 * `keep_ms`. It holds the messages that have been seen, the numbers given to what goes out, and those of what came in.
 * The ids are hashes under a secret, so nobody can choose where they collide. Pure: no clock, nothing allocated after
 * recent_new(). */
#ifndef GRID_BUS_FAILOVER_RECENT_H
#define GRID_BUS_FAILOVER_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recent;

/* NULL when out of memory. Memory is touched as it is needed: about 40 bytes for each id. */
struct recent *recent_new(size_t max, uint64_t keep_ms);
struct recent *recent_free(struct recent *r); /* takes and returns NULL */

/* The value of `id`, or NULL when it is not remembered. Valid until the next call. */
uint64_t *recent_find(struct recent *r, uint64_t id, uint64_t now_ms);
/* The same, but remembers it: it is the youngest now. A new one has the value 0. */
uint64_t *recent_touch(struct recent *r, uint64_t id, uint64_t now_ms);
/* Has this been seen? It has, from now on. */
bool recent_seen(struct recent *r, uint64_t id, uint64_t now_ms);

size_t recent_count(const struct recent *r);
/* How many had to be forgotten before their time, for want of room. */
uint64_t recent_crowded_out(const struct recent *r);

#endif
