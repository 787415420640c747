/* The opening handshake from the client's side (RFC 6455 section 4.1). Pure. */
#ifndef GRID_BENCH_WS_HANDSHAKE_H
#define GRID_BENCH_WS_HANDSHAKE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "bench/pick.h"

#define WS_KEY_LEN 24 /* base64 of 16 bytes */
#define WS_ACCEPT_LEN 28
#define WS_ANSWER_MAX 16384

struct ws_key {
	char text[WS_KEY_LEN + 1];
};

enum { WS_HANDSHAKE_E_MORE = 1, WS_HANDSHAKE_E_REFUSED };

void ws_key_new(struct ws_key *key, struct dice *dice);
/* What the server must answer to this key. */
void ws_key_accept(const struct ws_key *key, char accept[WS_ACCEPT_LEN + 1]);
/* Appends the request; `target` is path and query, `subprotocol` the one that is offered (NULL: none). */
void ws_handshake_put(struct buf *out, const char *host, const char *target, const char *subprotocol,
                      const struct ws_key *key);
/* Takes the answer off the front of `in`. HANDSHAKE_E_MORE: it is not all there. HANDSHAKE_E_REFUSED: no websocket;
 * *statusp is the HTTP status, 0 when it is no HTTP or the answer does not belong to the key. */
GRID_MUST_CHECK int ws_handshake_read(struct str *in, const struct ws_key *key, int *statusp);

#endif
