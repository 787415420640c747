/* The opening handshake from the server's side (RFC 6455 section 4.2), as much as a bare server needs. Pure. */
#ifndef GRID_BENCH_LIMIT_OPENING_H
#define GRID_BENCH_LIMIT_OPENING_H

#include <stdbool.h>

#include "bench/ws_handshake.h"

#define OPENING_MAX 8192

enum { OPENING_E_MORE = 1, OPENING_E_REFUSED };

struct opening {
	bool receives;   /* /sub/<room>; else /pub/<room> */
	struct str room; /* as it stands in the path; in the bytes given */
	struct ws_key key;
};

/* Takes a request off the front of `in`. OPENING_E_MORE: it is not all there. OPENING_E_REFUSED: too long, no
 * websocket, or another path. */
GRID_MUST_CHECK int opening_take(struct str *in, struct opening *out);
/* Appends the answer to a good one. */
void opening_accept(struct buf *out, const struct opening *opening);

#endif
