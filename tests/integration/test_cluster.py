"""A cluster of three brokers of which one goes: the node's queue lives on one of them, its links end at one of them."""

import asyncio
import itertools

import pika.exceptions
import pytest

from gridtest.backend import Backend, Offline
from gridtest.broker import Cluster, Grid
from gridtest.load import FAST, flows, until
from gridtest.tcpproxy import Proxy


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """All three run before and after each test."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture(scope="module")
def grid(cluster):
    grid = Grid(cluster.brokers[0], "cluster")
    grid.create()
    return grid


class Stream:
    """A backend that publishes numbers to a user and a room until it is stopped, and keeps those that were confirmed."""

    def __init__(self, grid, user, room):
        self.backend, self.user, self.room = Backend(grid), user, room
        self.confirmed = {"user": [], "room": []}
        self.stopping = False
        self.task = asyncio.create_task(asyncio.to_thread(self._run))

    def _run(self):
        for i in itertools.count():
            if self.stopping:
                self.backend.close()
                return
            self._publish("user", self.backend.to_user, self.user, i)
            self._publish("room", self.backend.to_room, self.room, i)

    def _publish(self, kind, publish, name, i):
        try:
            publish(name, i, delivery_mode=2)
        except pika.exceptions.NackError:
            return
        self.confirmed[kind].append(i)

    async def progress(self):
        """Waits for some that are confirmed from now on."""
        marks = {kind: len(numbers) for kind, numbers in self.confirmed.items()}
        await until(lambda: all(len(self.confirmed[kind]) > mark + 20 for kind, mark in marks.items()))

    async def stop(self):
        self.stopping = True
        await self.task
        return self.confirmed


async def publish_until_taken(client, room, data):
    """A publish that is under way when a bound queue's broker goes is refused: again, as clients do."""
    while (answer := await client.request("publish", room=room, data=data))["op"] != "ok":
        assert answer["code"] == "unavailable", answer


def home_of(grid, node):
    """The broker that holds its queue, as an Erlang node."""
    return (grid.api("GET", "queues", f"{grid.prefix}.node.{node.id}") or {}).get("node")


async def test_the_broker_that_the_node_is_connected_to_is_killed(nodes, cluster, grid, connect):
    home, other, third = cluster.brokers
    seen = grid.seen_from(third)
    with Proxy((home.host, home.amqp_port)) as way_home:
        node = nodes.on(grid, FAST, address=f"{way_home.address},{other.address},{third.address}")
        client = await connect(node, "guest")
        await client.join("cluster.guest")
        # It moves to the second broker; the queue stays on the first.
        way_home.refuse()
        way_home.cut()
        await asyncio.to_thread(node.wait_log, rf"bus\.connected .*{other.address}")
        await asyncio.to_thread(node.wait_ready)
        await until(lambda: home_of(seen, node) == home.erlang_node)
        stream = Stream(seen, "guest", "cluster.guest")
        try:
            await stream.progress()
            logged = len(node.log)
            await asyncio.to_thread(other.kill)
            # It is down for so short a time that asking would miss it.
            await asyncio.to_thread(node.wait_log, r"node\.ready", start=logged)
            await stream.progress()
        finally:
            confirmed = await stream.stop()
            await asyncio.to_thread(other.start)
        assert home_of(seen, node) == home.erlang_node
        await client.wait_data(confirmed["room"][-1])
        await client.wait_data(confirmed["user"][-1], op="notify")
        assert set(confirmed["room"]) <= set(client.data())
        assert set(confirmed["user"]) <= set(client.data("notify"))
        assert not client.closed


def queues_of(grid, node):
    """{name: home}; more than one while an old queue waits for its broker."""
    start = f"{grid.prefix}.node.{node.id}"
    rows = grid.api("GET", "queues")
    return {row["name"]: row["node"] for row in rows if row["name"] == start or row["name"].startswith(start + ".")}


def bound_to(grid, queue):
    """{routing key} of users and rooms."""
    return {key for name, key in grid.bindings_of("users") + grid.bindings_of("rooms") if name == queue}


async def test_the_broker_that_holds_the_queue_is_killed(nodes, cluster, grid, connect, tmp_path):
    home, other, third = cluster.brokers
    seen = grid.seen_from(third)
    n1 = nodes.on(grid, {**FAST, "state_dir": tmp_path}, address=cluster.addresses(home))
    n2 = nodes.on(grid, FAST, address=cluster.addresses(other))
    a, b = await connect(n1, "orphan"), await connect(n2, "neighbour")
    for client in (a, b):
        await client.join("cluster.orphans")
    await until(lambda: (home_of(seen, n1), home_of(seen, n2)) == (home.erlang_node, other.erlang_node))
    old = f"{grid.prefix}.node.{n1.id}"
    backend = Backend(seen)
    try:
        await asyncio.to_thread(home.kill)
        await asyncio.to_thread(n1.wait_log, r"bus\.queue_away")
        await asyncio.to_thread(n1.wait_ready, 20)
        await until(lambda: len(queues_of(seen, n1)) == 2)
        fallback = next(name for name in queues_of(seen, n1) if name != old)
        assert queues_of(seen, n1)[fallback] in (other.erlang_node, third.erlang_node)
        # Until then what is for them goes to the old queue, and nowhere.
        await until(lambda: {"user.orphan.#", "room.cluster.orphans"} <= bound_to(seen, fallback))
        await flows([a, b], backend, "cluster.orphans", 10)
    finally:
        await asyncio.to_thread(home.start)
    # Nobody consumes the old one: it would take what is for its users for ever.
    await until(lambda: list(queues_of(seen, n1)) == [fallback], 90, "the old queue is reaped")
    await flows([a, b], backend, "cluster.orphans", 10)
    backend.close()
    assert not a.closed and not b.closed and n1.ready()


async def test_a_minority_that_is_cut_off_and_comes_back(nodes, cluster, grid, connect):
    majority, _, minority = cluster.brokers
    n1 = nodes.on(grid, FAST, address=majority.address)
    n3 = nodes.on(grid, FAST, address=minority.address)
    a, c = await connect(n1, "many"), await connect(n3, "few")
    for client in (a, c):
        await client.join("cluster.parted")
    await asyncio.to_thread(cluster.partition, minority)
    try:
        await until(lambda: not n3.ready(), what="the minority pauses")
        assert await c.fails("publish", room="cluster.parted", data=1) == "unavailable"
        await until(lambda: n1.ready())
        await publish_until_taken(a, "cluster.parted", "among the many")
        await a.wait_data("among the many")
        offline = Offline(grid)
        backend = Backend(grid)
        backend.to_user("nobody", "parted", delivery_mode=2)
        await asyncio.to_thread(offline.wait_for, "user.nobody", b'"parted"')
        offline.close()
    finally:
        await asyncio.to_thread(cluster.heal, minority)
    for node in (n1, n3):
        await asyncio.to_thread(node.wait_ready)
    await flows([a, c], backend, "cluster.parted", 10)
    backend.close()
    assert not a.closed and not c.closed
