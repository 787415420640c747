/* What a connection costs in net's memory, beside what libwebsockets has of it. */
#include "sizes.h"

#include "check_main.h"
#include "net/ws_impl.h"

static const struct size sizes[] = {
    SIZE(conn, 120, "socket, server, session, wheel entry 24, buf 32, close frame, three times, descriptor, 4 bytes"),
    SIZE(wheel_entry, 24, "two list links and when"),
    SIZE(buf, 32, "zeroed and without memory while no message is in pieces"),
};

START_TEST(structs_have_their_size)
{
	check_sizes(sizes, sizeof(sizes) / sizeof(sizes[0]));
}
END_TEST

CHECK_MAIN("net.sizes", structs_have_their_size)
