#include "bus/rabbitmq/lanes.h"

/* FNV-1a */
static struct lane *lane_of(struct lanes *lanes, const struct letter *letter)
{
	struct str key = key_str(&letter->publication->key);
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (unsigned char)key.p[i]) * 16777619u;
	return &lanes->lanes[h % LANES];
}

void lanes_enter(struct lanes *lanes, struct letter *letter)
{
	struct lane *lane = lane_of(lanes, letter);

	letter->lane_next = NULL;
	letter->done = false;
	if (lane->tail)
		lane->tail->lane_next = letter;
	else
		lane->head = letter;
	lane->tail = letter;
}

void lanes_done(struct lanes *lanes, struct letter *letter, lanes_out_fn *out, void *arg)
{
	struct lane *lane = lane_of(lanes, letter);

	letter->done = true;
	while (lane->head && lane->head->done) {
		struct letter *first = lane->head;
		lane->head = first->lane_next;
		if (!lane->head)
			lane->tail = NULL;
		out(arg, first);
	}
}
