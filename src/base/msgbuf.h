/* A message ready for the socket: immutable bytes, counted references, shared by every receiver.
 *
 * Written once by whoever creates it (any thread), then handed over and never changed. The reference count is touched
 * by the loop thread only, so it needs no atomics. MSGBUF_HEADROOM bytes in front of `data` belong to the websocket
 * library, which asks for them before everything it sends. */
#ifndef GRID_BASE_MSGBUF_H
#define GRID_BASE_MSGBUF_H

#include <stddef.h>
#include <stdint.h>

#define MSGBUF_HEADROOM 16

struct msgbuf {
	uint32_t refs;
	uint32_t len;
	unsigned char *data; /* MSGBUF_HEADROOM writable bytes lie before it */
	void *notice;        /* core's: who wants to know when a socket has taken it, or NULL; loop thread only */
};

/* One reference, `len` bytes to fill in, or NULL when out of memory. */
struct msgbuf *msgbuf_new(size_t len);
struct msgbuf *msgbuf_ref(struct msgbuf *m);
/* Takes NULL; frees with the last reference. Always returns NULL. */
struct msgbuf *msgbuf_unref(struct msgbuf *m);

#endif
