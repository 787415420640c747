/* What a message costs in memory on its way through the bus, and what is copied when it goes from thread to thread. */
#include "sizes.h"

#include "bus/bus.h"
#include "bus/rabbitmq/mail.h"
#include "check_main.h"

static const struct size sizes[] = {
    SIZE(bus_delivery, 96, "four bytes, session 27, four numbers 32, core's list, time and state 32"),
    SIZE(bus_target, 224, "key 208, frame, a flag; one for each key it came under, one for most messages"),
    SIZE(bus_publication, 408, "key 208, message 160, token, list, two numbers, reach; strings and body follow"),
    SIZE(message, 160, "eight strings of 16, three numbers, two flags"),
    SIZE(delivery, 312, "a bus_delivery 96, the letter it may become 80, fingerprint 40, tag, run, raw copy, list"),
    SIZE(letter, 80, "two results and four flags, two numbers, five pointers, two lists"),
    SIZE(op, 448, "key 208, routing key, list; at most 256 are under way"),
};

START_TEST(structs_have_their_size)
{
	check_sizes(sizes, sizeof(sizes) / sizeof(sizes[0]));
}
END_TEST

CHECK_MAIN("bus.sizes", structs_have_their_size)
