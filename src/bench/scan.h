/* What a node sends, read in place: the top-level members that matter here, found in one pass without building
 * anything. It trusts the node to send JSON: what is not is refused or read as garbage, never beyond its end. */
#ifndef GRID_BENCH_SCAN_H
#define GRID_BENCH_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Strings without their quotes, escapes as they stand; other values as they stand. STR_NONE: not there. */
struct scan {
	struct str op;
	struct str ref;
	struct str room;
	struct str code;
	struct str data;
	struct str session;
	struct str sid;
	struct str heartbeat;
	struct str retry_ms;
};

/* False: not an object. */
bool scan_frame(struct str text, struct scan *out);
/* The number a value begins with; 0: none. */
uint64_t scan_number(struct str value);

#endif
