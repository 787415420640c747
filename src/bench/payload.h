/* What gridbench publishes: one JSON object with its fields in this order and nothing between them,
 *
 *   {"b":"<run>","p":"00000003","k":"r00000012","n":"0000000000001234","t":"0000000123456789","pad":"…"}
 *
 * b run, p publisher, k target (room r12 or user u12), n number within publisher and target, t when it was published:
 * microseconds of this machine's monotonic clock. Numbers have a fixed width, so that everything stands where it must:
 * reading one takes a comparison and no search, at millions a second. They are strings, because JSON's numbers have no
 * leading zeros, and servers that parse and write again what they pass on leave strings alone. */
#ifndef GRID_BENCH_PAYLOAD_H
#define GRID_BENCH_PAYLOAD_H

#include <stdbool.h>

#include "base/buf.h"
#include "bench/ledger.h"

struct payload {
	struct message_id id;
	uint64_t published_us;
};

/* Bytes of every payload of a run that asks for `size`: what the numbers need at least. */
size_t payload_size(struct str run, size_t size);
/* `rooms`: targets below are rooms, the others users. `size`: bytes it is padded to when it is shorter. */
void payload_put(struct buf *out, struct str run, const struct payload *payload, uint32_t rooms, size_t size);
/* Puts another time into a payload of this run. */
void payload_stamp(struct buf *payload, struct str run, uint64_t published_us);
/* False: this is not a payload of this run. */
bool payload_read(struct str text, struct str run, uint32_t rooms, struct payload *out);

#endif
