#include "core/members.h"

#include <errno.h>
#include <stdlib.h>

#include "core/topics.h"

#define FEW 8 /* room for so many is given back with the last one only */

static int set_room(struct members *members, uint32_t room)
{
	struct member *items = realloc(members->items, room * sizeof(*items));

	if (!items)
		return -ENOMEM;
	members->items = items;
	members->room = room;
	return 0;
}

int members_reserve(struct members *members, uint32_t n)
{
	uint32_t room = members->room ? members->room : 1;

	while (room < n)
		room *= 2;
	return room == members->room ? 0 : set_room(members, room);
}

void members_trim(struct members *members, uint32_t n)
{
	if (n == 0) {
		free(members->items);
		*members = (struct members){0};
	} else if (members->room > FEW && members->room / 4 >= n) {
		(void)set_room(members, members->room / 2); /* else it stays as it is */
	}
}

void members_add(struct members *members, struct subscription *sub)
{
	GRID_ASSERT(members->n < members->room);
	sub->place = members->n;
	members->items[members->n++] = (struct member){sub->session, sub};
}

void members_remove(struct members *members, const struct subscription *sub)
{
	GRID_ASSERT(members->items[sub->place].sub == sub);
	const struct member last = members->items[--members->n];

	members->items[sub->place] = last;
	last.sub->place = sub->place;
}
