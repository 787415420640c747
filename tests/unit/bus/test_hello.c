/* The sign of life among nodes. */
#include "bus/rabbitmq/hello.h"

#include "bus/rabbitmq/properties.h"
#include "check_main.h"

static char account[] = "grid-node", node_id[] = "n1";
static struct bus_config config = {.rabbitmq.user = account, .node.dead_after = 30000};
static struct setup setup = {.config = &config, .node_id = node_id};

static void begin(void)
{
	ck_assert_int_eq(topology_init(&setup.topology, "grid", setup.node_id), 0);
}

static bool reads(struct str queue, struct str origin, struct hello *out)
{
	const struct message m = {.type = STR(TYPE_HELLO), .origin = origin, .body = queue};
	struct encoded e;

	encode_message(&m, config.rabbitmq.user, 0, false, &e);
	const struct incoming in = {.properties = &e.properties, .body = queue};
	return hello_read(&setup, &in, out);
}

START_TEST(says_whose_queue_and_which_life)
{
	struct hello hello;

	begin();
	ck_assert(reads(STR("grid.node.n2"), STR("n2.OTHER"), &hello));
	ck_assert_str_eq(hello.queue, "grid.node.n2");
	ck_assert_str_eq(hello.origin, "n2.OTHER");
	ck_assert(reads(STR(""), STR("n2.OTHER"), &hello)); /* none yet */
	ck_assert_str_eq(hello.queue, "");
	topology_deinit(&setup.topology);
}
END_TEST

/* It will be consumed, and deleted. */
START_TEST(only_of_queues_of_nodes)
{
	struct hello hello;
	char long_name[PEER_QUEUE_MAX + 2];

	begin();
	memset(long_name, 'x', sizeof(long_name));
	memcpy(long_name, "grid.node.", strlen("grid.node."));
	ck_assert(!reads(STR("grid.offline"), STR("n2.E"), &hello));
	ck_assert(!reads(STR("grid.node."), STR("n2.E"), &hello));
	ck_assert(!reads(STR("grid.node.n\0"), STR("n2.E"), &hello));
	ck_assert(!reads((struct str){long_name, PEER_QUEUE_MAX + 1}, STR("n2.E"), &hello));
	ck_assert(reads((struct str){long_name, PEER_QUEUE_MAX}, STR("n2.E"), &hello));
	ck_assert(!reads(STR("grid.node.n2"), STR_NONE, &hello));
	ck_assert(!reads(STR("grid.node.n2"), STR("no-epoch"), &hello));
	ck_assert(!reads(STR("grid.node.n2"), (struct str){long_name, PEER_ORIGIN_MAX + 1}, &hello));
	topology_deinit(&setup.topology);
}
END_TEST

START_TEST(six_times_before_one_is_dead)
{
	ck_assert_uint_eq(hello_every(&config), 5000);
	config.node.dead_after = 3000;
	ck_assert_uint_eq(hello_every(&config), 1000);
	config.node.dead_after = 0;
	ck_assert_uint_eq(hello_every(&config), 5000);
}
END_TEST

CHECK_MAIN("bus.hello", says_whose_queue_and_which_life, only_of_queues_of_nodes, six_times_before_one_is_dead)
