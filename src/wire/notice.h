/* A notice of one node to all, over the fallback bus (docs/protocol.md, section 4.5):
 *
 *   {"op":"grid.cut","origin":"n1.01KC…","number":3,"cut":true,"missed":2500,"deaf":0}
 */
#ifndef GRID_WIRE_NOTICE_H
#define GRID_WIRE_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ulid.h"
#include "wire/names.h"

#define ORIGIN_MAX (NODE_ID_MAX + 1 + ULID_LEN)

struct notice {
	char origin[ORIGIN_MAX + 1]; /* the node and its epoch */
	uint64_t number;             /* a new one asks for what was missed */
	bool cut;                    /* does not hear the primary bus */
	uint64_t missed_ms;          /* for so long it may have missed what went over the primary */
	uint64_t deaf_ms;            /* and what went over the fallback; 0: nothing */
};

enum { NOTICE_E_BAD = 1 };

void notice_encode(const struct notice *notice, struct buf *out);
/* NOTICE_E_BAD: not one of ours, or a member missing or wrong. -ENOMEM. */
GRID_MUST_CHECK int notice_decode(struct str text, struct notice *out);

#endif
