"""What happens to broker, links and queues while clients are there: the node stays up, keeps its sockets, says
`unavailable` where that is the truth, and afterwards all flows again without a restart."""

import asyncio

import pytest

from gridtest.backend import Backend
from gridtest.load import FAST, Load, flows, outage, until
from gridtest.tcpproxy import Proxy

@pytest.fixture
def proxy(broker):
    """A link to the broker that can be cut."""
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        yield proxy


# The broker


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_broker_stopped_and_started_under_load(nodes, broker, grid, connect, how):
    n1, n2 = nodes.on(grid, FAST), nodes.on(grid, FAST)
    await outage(n1, n2, connect, lambda: Backend(grid), getattr(broker, how), broker.start)


# The link


async def test_what_a_broker_forgot_is_bound_anew(nodes, grid, backend, proxy, connect):
    """One that was killed may have lost the last keys that it said were bound, and only those."""
    node = nodes.on(grid, FAST, address=proxy.address)
    client = await connect(node, "forgotten")
    await client.join("forgotten")
    proxy.refuse()
    proxy.cut()
    await until(lambda: not node.ready())
    grid.forget_binding("rooms", "room.forgotten")
    grid.forget_binding("users", "user.forgotten.#")
    proxy.accept()
    await asyncio.to_thread(node.wait_ready)
    await until(lambda: node.metric("grid_topics_bound") == 2)
    await flows([client], backend, "forgotten", 5)


@pytest.mark.parametrize("queue", ["durable", "exclusive"])
async def test_a_link_that_is_cut(nodes, grid, backend, proxy, connect, queue):
    node = nodes.on(grid, {**FAST, "bus.rabbitmq.queue": queue}, address=proxy.address)
    clients = [await connect(node, f"c1-{queue}"), await connect(node, f"c2-{queue}")]
    for client in clients:
        await client.join("cut", "cut." + queue)
    await flows(clients, backend, "cut", 5)
    proxy.refuse()
    proxy.cut()
    await until(lambda: not node.ready())
    assert await clients[0].fails("publish", room="cut", data=1) == "unavailable"
    assert await clients[0].fails("join", room="another") == "unavailable"
    meanwhile = [["meanwhile", i] for i in range(100)]
    for data in meanwhile:
        backend.to_room("cut", data)
        backend.to_user(f"c1-{queue}", data)
    late = await connect(node, f"late-{queue}")
    assert late.welcome["bound"] is False
    proxy.accept()
    await asyncio.to_thread(node.wait_ready)
    if queue == "durable":
        for client in clients:
            await client.wait_data(meanwhile[-1])
            assert [data for data in client.data() if data[0] == "meanwhile"] == meanwhile
        await clients[0].wait_data(meanwhile[-1], op="notify")
        assert clients[0].data("notify")[-100:] == meanwhile
    await late.join("cut")
    await flows([*clients, late], backend, "cut")


async def test_links_that_are_cut_again_and_again_under_load(nodes, grid, backend, proxy, connect):
    node = nodes.on(grid, FAST, address=proxy.address)
    clients = [await connect(node, f"again-{i}") for i in range(3)]
    for client in clients:
        await client.join("again")
    loads = [Load(client, "again") for client in clients]
    for i in range(10):
        for load in loads:
            await load.wait_for("ok")
        # Joins and leaves are under way as well.
        churn = [await clients[0].ask(op, room=f"again.{i}.{n}") for n in range(20) for op in ("join", "leave")]
        proxy.cut()
        for answer in churn:
            answer = await answer
            assert answer["op"] == "ok" or answer["code"] in ("unavailable", "not_joined"), answer
    for load in loads:
        await load.wait_for("ok")
        await load.stop()
        assert load.codes() <= {"ok", "unavailable"}
    await asyncio.to_thread(node.wait_ready)
    await clients[0].join("again.after")
    await flows(clients, backend, "again")


async def test_a_link_on_which_nothing_comes_any_more(nodes, grid, backend, proxy, connect):
    node = nodes.on(grid, FAST, address=proxy.address)
    client = await connect(node, "frozen")
    await client.join("frozen")
    proxy.freeze()
    # By heartbeats alone: nobody tells the node.
    await until(lambda: not node.ready(), 60)
    backend.to_room("frozen", "meanwhile")
    assert await client.fails("publish", room="frozen", data=1) == "unavailable"
    proxy.thaw()
    await asyncio.to_thread(node.wait_ready)
    await client.wait_data("meanwhile")
    await flows([client], backend, "frozen")


# The queue


RECREATED = {
    "deleted": None,
    "re-created": {"x-expires": 86400000},
    "re-created otherwise": {"x-max-length": 1000000},
}


@pytest.mark.parametrize("link", ["up", "cut"])
@pytest.mark.parametrize("arguments", RECREATED.values(), ids=RECREATED.keys())
async def test_a_queue_that_somebody_deletes(nodes, grid, backend, proxy, connect, link, arguments):
    node = nodes.on(grid, FAST, address=proxy.address)
    clients = [await connect(node, "d1"), await connect(node, "d2")]
    for client in clients:
        await client.join("deleted", f"deleted.{client.welcome['user']}")
    queue = f"{grid.prefix}.node.{node.id}"
    users, rooms = grid.bindings_of("users"), grid.bindings_of("rooms")
    assert len([key for name, key in users + rooms if name == queue]) == 5

    # Frozen, so that all of it happens before the node can do anything.
    proxy.freeze()
    if link == "cut":
        proxy.refuse()
        proxy.cut()
        proxy.thaw()
        await until(lambda: not node.ready())
        await until(lambda: grid.api("GET", "queues", queue).get("consumers") == 0)
    grid.api("DELETE", "queues", queue)
    if arguments is not None:
        grid.api("PUT", "queues", queue, body={"durable": True, "auto_delete": False, "arguments": arguments})
    if link == "cut":
        proxy.accept()
    else:
        proxy.thaw()

    await until(lambda: (grid.bindings_of("users"), grid.bindings_of("rooms")) == (users, rooms), 60,
                "all bound as before")
    await asyncio.to_thread(node.wait_ready)
    await flows(clients, backend, "deleted", 10)
    for client in clients:
        backend.to_room(f"deleted.{client.welcome['user']}", "only you")
        await client.wait_data("only you")
    await clients[0].join("deleted.after")
    backend.to_room("deleted.after", "and this")
    await clients[0].wait_data("and this")
    await node_stops_cleanly(node)


async def node_stops_cleanly(node):
    assert await asyncio.to_thread(node.stop) == 0


async def test_what_waits_for_a_node_that_crashed_goes_to_the_offline_queue(nodes, grid, backend, offline, connect):
    node = nodes.on(grid, FAST)
    client = await connect(node, "crashed")
    await client.join("crashed")
    node.kill()
    queue = f"{grid.prefix}.node.{node.id}"
    await until(lambda: grid.api("GET", "queues", queue).get("consumers") == 0)
    for i in range(20):
        backend.to_user("crashed", i, message_id=f"crash-{i}")
        backend.to_room("crashed", i)
    node.start()
    for i in range(20):
        await asyncio.to_thread(offline.wait_for, "user.crashed", b"%d" % i)
    # Nothing of the earlier life is bound any more.
    assert [key for name, key in grid.bindings_of("users") + grid.bindings_of("rooms") if name == queue] == []
    again = await connect(node, "crashed")
    await again.join("crashed")
    await flows([again], backend, "crashed", 10)


# Alarms


async def test_a_memory_alarm(nodes, broker, grid, connect):
    n1, n2 = nodes.on(grid, FAST), nodes.on(grid, FAST)
    a, b = await connect(n1, "m1"), await connect(n2, "m2")
    await a.join("alarm")
    await b.join("alarm")
    loads = [Load(a, "alarm"), Load(b, "alarm")]
    for load in loads:
        await load.wait_for("ok")
    limit = broker.ctl("eval", "vm_memory_monitor:get_vm_memory_high_watermark().").strip()
    try:
        await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.0000001")
        for load in loads:
            await load.wait_for("unavailable")
        for node in (n1, n2):
            await until(lambda: node.metric("grid_bus_blocked") == 1)
            assert node.ready()
        # Whoever is not held up by the alarm is still heard, and rooms can be joined.
        await a.join("alarm.during")
        newcomer = await connect(n2, "m3")
        assert "bound" not in newcomer.welcome
        published = await asyncio.to_thread(
            grid.api, "POST", "exchanges", f"{grid.prefix}.rooms", "publish",
            body={"routing_key": "room.alarm.during", "payload": '"heard"', "payload_encoding": "string",
                  "properties": {}})
        assert published["routed"] is True
        await a.wait_data("heard")
    finally:
        await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", limit)
    for load in loads:
        await load.wait_for("ok")
        await load.stop()
        assert load.codes() == {"ok", "unavailable"}
    for node in (n1, n2):
        await until(lambda: node.metric("grid_bus_blocked") == 0)
    backend = Backend(grid)
    await flows([a, b], backend, "alarm", 10)
    backend.close()


# Addresses


async def test_addresses_are_tried_in_turn(nodes, broker, grid, backend, connect):
    with Proxy((broker.host, broker.amqp_port)) as refusing, Proxy((broker.host, broker.amqp_port)) as silent, \
            Proxy((broker.host, broker.amqp_port)) as good, Proxy((broker.host, broker.amqp_port)) as spare:
        refusing.refuse()
        silent.freeze()
        spare.refuse()
        addresses = ",".join(proxy.address for proxy in (refusing, silent, good, spare))
        node = nodes.on(grid, {**FAST, "bus.rabbitmq.connect_timeout": "500ms"}, address=addresses)
        assert good.connections == 2
        client = await connect(node, "addresses")
        await client.join("addresses")
        spare.accept()
        good.refuse()
        good.cut()
        await until(lambda: spare.connections == 2)
        await asyncio.to_thread(node.wait_ready)
        await flows([client], backend, "addresses", 10)
