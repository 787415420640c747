/* Names on the broker. */
#include "bus/rabbitmq/topology.h"

#include "check_main.h"

START_TEST(names)
{
	struct topology t;

	ck_assert_int_eq(topology_init(&t, "grid2", "n1"), 0);
	ck_assert_str_eq(t.exchanges[EXCHANGE_USERS], "grid2.users");
	ck_assert_str_eq(t.exchanges[EXCHANGE_UNROUTED], "grid2.unrouted");
	ck_assert_str_eq(t.node_queue, "grid2.node.n1");
	ck_assert_str_eq(t.offline_queue, "grid2.offline");
	ck_assert_str_eq(t.node_key, "node.n1");
	ck_assert_int_eq(topology_exchange(&t, STR("grid2.rooms")), EXCHANGE_ROOMS);
	ck_assert_int_eq(topology_exchange(&t, STR("grid.rooms")), EXCHANGE_COUNT);
	ck_assert_int_eq(topology_exchange(&t, STR("")), EXCHANGE_COUNT);
	topology_deinit(&t);
}
END_TEST

START_TEST(names_with_an_epoch)
{
	struct topology t;

	ck_assert_int_eq(topology_init(&t, "grid", "n1"), 0);
	ck_assert(topology_is_node_queue(&t, STR("grid.node.n1")));
	ck_assert(topology_is_node_queue(&t, STR("grid.node.n1.01KC0000000000000000000000")));
	ck_assert(!topology_is_node_queue(&t, STR("grid.node.n2")));
	ck_assert(!topology_is_node_queue(&t, STR("grid.node.n11")));
	ck_assert(!topology_is_node_queue(&t, STR("grid.node.n1.")));
	ck_assert(!topology_is_node_queue(&t, STR("grid.node.n1.01KC000000000000000000000")));
	ck_assert(!topology_is_node_queue(&t, STR("grid.node.n1.01kc0000000000000000000000")));
	ck_assert(!topology_is_node_queue(&t, STR("grid.node.n1.01KC0000000000000000000000.a")));
	ck_assert(!topology_is_node_queue(&t, STR("grid.node.n1x01KC0000000000000000000000")));
	ck_assert(topology_is_epoch_key(&t, STR("node.n1.01KC0000000000000000000000")));
	ck_assert(!topology_is_epoch_key(&t, STR("node.n1")));
	ck_assert(!topology_is_epoch_key(&t, STR("node.n2.01KC0000000000000000000000")));
	topology_deinit(&t);
}
END_TEST

START_TEST(keys)
{
	char out[ROUTING_KEY_MAX + 1];
	char longest[NAME_ENCODED_MAX + 1];
	struct key key;

	ck_assert_int_eq(key_from_name(KEY_ROOM, STR("a.b"), &key), 0);
	topology_binding_key(&key, out);
	ck_assert_str_eq(out, "room.a.b");
	topology_publish_key(&key, out);
	ck_assert_str_eq(out, "room.a.b");
	ck_assert_int_eq(topology_key_exchange(&key), EXCHANGE_ROOMS);
	memset(longest, 'x', NAME_ENCODED_MAX);
	longest[NAME_ENCODED_MAX] = '\0';
	ck_assert_int_eq(key_from_name(KEY_USER, str_from(longest), &key), 0);
	topology_binding_key(&key, out);
	ck_assert_str_eq(out + KEY_MAX, ".#");
	topology_publish_key(&key, out);
	ck_assert_str_eq(out + KEY_MAX, ".n");
	ck_assert_int_eq(topology_key_exchange(&key), EXCHANGE_USERS);
}
END_TEST

CHECK_MAIN("bus.topology", names, names_with_an_epoch, keys)
