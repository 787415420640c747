/* What a connection and a subscription cost in core's memory, and what a message waits in. */
#include "sizes.h"

#include "check_main.h"
#include "core/hub_impl.h"

static const struct size sizes[] = {
    SIZE(session, 192,
         "a cache line for deliveries: hub, conn, 2 links, outq 24, state and flags 4, a count; "
         "7 links and owners 56, ULID 27, counts and a time 14, holes 7; up to the next line 24"),
    SIZE(outq, 24, "one pointer for a single frame or the ring, four counts of 4"),
    SIZE(subscription, 64, "topic, session, 4 list links, waiters, a byte and a flag in one word"),
    SIZE(topic, 344,
         "hash handle 56, members 16, a count, waiting, 4 list links, a time 8, five bytes, key 208, holes 7"),
    SIZE(member, 16, "the session is here, too, so that a fan-out need not look at the subscription"),
    SIZE(key, 208, "its text is in it: no second allocation, and it may be copied from thread to thread"),
    SIZE(waiter, 16, "a link, a length; the ref follows"),
    SIZE(msgbuf, 24, "references and length of 4, data, notice; the frame follows"),
};

START_TEST(structs_have_their_size)
{
	check_sizes(sizes, sizeof(sizes) / sizeof(sizes[0]));
}
END_TEST

/* A user's connection in one room that others are in: what core holds of it. */
START_TEST(an_idle_connection_in_a_room_is_small)
{
	size_t held = sizeof(struct session) + 2 * sizeof(struct subscription) + sizeof(struct topic);
	ck_assert_uint_le(held, 672);
}
END_TEST

CHECK_MAIN("core.sizes", structs_have_their_size, an_idle_connection_in_a_room_is_small)
