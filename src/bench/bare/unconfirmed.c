#include "bench/bare/unconfirmed.h"

#include <errno.h>
#include <stdlib.h>

int unconfirmed_init(struct unconfirmed *u, uint32_t size)
{
	*u = (struct unconfirmed){.sent_us = calloc(size, sizeof(*u->sent_us)), .size = size, .oldest = 1, .next = 1};
	return u->sent_us ? 0 : -ENOMEM;
}

void unconfirmed_deinit(struct unconfirmed *u)
{
	free(u->sent_us);
	u->sent_us = NULL;
}

static uint64_t *place_of(const struct unconfirmed *u, uint64_t tag)
{
	return &u->sent_us[tag % u->size];
}

void unconfirmed_add(struct unconfirmed *u, uint64_t now_us)
{
	GRID_ASSERT(unconfirmed_open(u));
	*place_of(u, u->next++) = now_us;
}

/* 1, or 0: it was answered before. */
static uint32_t answer(struct unconfirmed *u, uint64_t tag, uint64_t now_us, struct histogram *times)
{
	uint64_t *sent_us = place_of(u, tag);

	if (*sent_us == 0)
		return 0;
	histogram_add(times, now_us - *sent_us);
	*sent_us = 0;
	return 1;
}

uint32_t unconfirmed_answer(struct unconfirmed *u, uint64_t tag, bool multiple, uint64_t now_us,
                            struct histogram *times)
{
	uint32_t n = 0;

	if (tag < u->oldest || tag >= u->next)
		return 0;
	for (uint64_t i = multiple ? u->oldest : tag; i <= tag; i++)
		n += answer(u, i, now_us, times);
	while (u->oldest < u->next && *place_of(u, u->oldest) == 0)
		u->oldest++;
	return n;
}
