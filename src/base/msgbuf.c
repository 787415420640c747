#include "base/msgbuf.h"

#include <stdlib.h>

#include "base/err.h"

struct msgbuf *msgbuf_new(size_t len)
{
	if (len > UINT32_MAX - sizeof(struct msgbuf) - MSGBUF_HEADROOM)
		return NULL;
	struct msgbuf *m = malloc(sizeof(*m) + MSGBUF_HEADROOM + len);
	if (!m)
		return NULL;
	m->refs = 1;
	m->len = (uint32_t)len;
	m->notice = NULL;
	m->data = (unsigned char *)(m + 1) + MSGBUF_HEADROOM;
	return m;
}

struct msgbuf *msgbuf_ref(struct msgbuf *m)
{
	GRID_ASSERT(m->refs > 0);
	m->refs++;
	return m;
}

struct msgbuf *msgbuf_unref(struct msgbuf *m)
{
	if (m) {
		GRID_ASSERT(m->refs > 0);
		if (--m->refs == 0)
			free(m);
	}
	return NULL;
}
