"""A grid on RabbitMQ with Redis behind it: either may die, freeze or block, and clients notice nothing; when both are
gone they are told so."""

import asyncio
import contextlib

import pytest

from gridtest.backend import Backend, Offline
from gridtest.load import FAST, flows, until
from gridtest.redis import PASSWORD, SECRET, Redis
from gridtest.tcpproxy import Proxy
from gridtest.util import wait_for

SETTINGS = {**FAST, "bus.fallback": "redis", "bus.redis.reconnect_min": "50ms", "bus.redis.reconnect_max": "300ms"}


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    redis = Redis(tmp_path_factory.mktemp("redis"))
    redis.start()
    yield redis
    redis.stop()


@pytest.fixture
def on_both(nodes, grid, redis):
    """Starts nodes; `address`: where one thinks that RabbitMQ is."""
    def start(address=None):
        return nodes.on(grid, {**SETTINGS, "bus.redis.address": redis.address}, address=address,
                        environment={"GRIDNODE_BUS_REDIS_PASSWORD": PASSWORD, "GRIDNODE_BUS_REDIS_SECRET": SECRET})
    return start


class Talk:
    """Clients that all publish to one room, one message after the other each, until stop()."""

    def __init__(self, grid, nodes, clients, room):
        self.grid, self.nodes, self.clients, self.room = grid, nodes, clients, room
        self.stopping = False
        self.answers = {client: [] for client in clients}  # by number of the message
        self.tasks = [asyncio.create_task(self._run(client)) for client in clients]

    async def _run(self, client):
        while not self.stopping:
            number = len(self.answers[client])
            self.answers[client].append(
                await client.request("publish", timeout=60, room=self.room, data=[client.session, number]))
            await asyncio.sleep(0.005)

    def failed(self):
        return [answer for answers in self.answers.values() for answer in answers if answer["op"] != "ok"]

    async def more(self, count=50):
        """Until each client has got so many more confirmed."""
        marks = {client: len(answers) + count for client, answers in self.answers.items()}
        for client, mark in marks.items():
            await client.until(lambda: len(self.answers[client]) >= mark, 60, "publishes go on")

    async def stop(self):
        self.stopping = True
        await asyncio.gather(*self.tasks)

    async def check(self):
        """All that was acknowledged has come to everybody, once and in order."""
        await self.stop()
        for hearer in self.clients:
            for sender, answers in self.answers.items():
                sure = [number for number, answer in enumerate(answers) if answer["op"] == "ok"]

                def heard():
                    return [data[1] for data in hearer.data(room=self.room) if data[0] == sender.session]

                def missing():
                    return sorted(set(sure) - set(heard()))
                with contextlib.suppress(AssertionError):
                    await hearer.until(lambda: not missing(), 30)
                assert not missing(), (f"of {len(answers)} that {sender.session} sent, {hearer.session} has not got these; "
                                       + self.evidence())
                assert heard() == sorted(set(heard())), "once and in order"


    def evidence(self):
        """What the broker says of the room, and what the nodes do."""
        key = f"room.{self.room}"
        queues = [queue for queue, bound in self.grid.bindings_of("rooms") if bound == key]
        keys = {node.id: (node.metrics()["grid_topics_bound"], node.metrics()['grid_failover_owed{bus="primary"}'])
                for node in self.nodes}
        routed = self.grid.is_routed("rooms", key)
        return f"the broker lists {key} for {queues}, routes it: {routed}; keys the nodes have bound and owe: {keys}"


@pytest.fixture
def talk(connect, grid):
    """Clients on all of these nodes that talk in a room; so do they when it returns."""
    async def start(nodes, room):
        clients = [await connect(node, f"{room}-{i}") for node in nodes for i in range(2)]
        for client in clients:
            await client.join(room)
        chat = Talk(grid, nodes, clients, room)
        await chat.more()
        return chat
    return start


def route(node):
    return node.get("/readyz")[1]


async def all_on(nodes, word):
    for node in nodes:
        await until(lambda: route(node) == f"ready: {word}\n", 90, f"{node.id} on {word}")


async def test_all_is_well(on_both, connect, grid):
    nodes = [on_both(), on_both()]
    await all_on(nodes, "primary")
    clients = [await connect(nodes[0], "w1"), await connect(nodes[1], "w2")]
    for client in clients:
        await client.join("well")
    backend = Backend(grid)
    await flows(clients, backend, "well")
    backend.close()
    metrics = nodes[0].metrics()
    assert metrics['grid_bus_publishes_total{bus="fallback"}'] == 0
    assert metrics['grid_bus_up{bus="fallback"}'] == 1
    assert metrics["grid_failover_duplicates_total"] == 0


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_the_broker_goes_and_comes_back(on_both, talk, connect, broker, how):
    nodes = [on_both(), on_both()]
    chat = await talk(nodes, f"broker-{how}")
    await asyncio.to_thread(getattr(broker, how))
    await all_on(nodes, "fallback")
    await chat.more()
    newcomer = await connect(nodes[0], "newcomer")
    assert "bound" not in newcomer.welcome
    await newcomer.join("joined-on-redis")
    await asyncio.to_thread(broker.start)
    await all_on(nodes, "primary")
    await chat.more()
    await chat.clients[-1].publish(room="joined-on-redis", data="both hear it")
    await newcomer.wait_data("both hear it")
    await chat.check()
    assert not chat.failed()


async def test_the_broker_raises_an_alarm(on_both, talk, broker):
    nodes = [on_both(), on_both()]
    chat = await talk(nodes, "alarm")
    await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.00001")
    try:
        await all_on(nodes, "fallback")
        await chat.more()
    finally:
        await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.4")
    await all_on(nodes, "primary")
    await chat.more()
    await chat.check()
    assert not chat.failed()


async def test_one_node_is_cut_off(on_both, talk, broker):
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        nodes = [on_both(proxy.address), on_both()]
        chat = await talk(nodes, "cut")
        proxy.refuse()
        proxy.cut()
        await until(lambda: route(nodes[0]) == "ready: fallback\n" and route(nodes[1]) == "ready: both\n")
        mark = {client: len(client.data(room="cut")) for client in chat.clients}
        for client in chat.clients:
            await client.until(lambda: len(client.data(room="cut")) > mark[client] + 100, 10, "all hear each other")
        await chat.more()
        proxy.accept()
        await all_on(nodes, "primary")
        await chat.check()
        assert not chat.failed()


async def test_what_the_broker_forgot_is_bound_before_messages_go_there(on_both, talk, broker, grid):
    """One that was killed may have lost the last keys that it said were bound, and only those."""
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        nodes = [on_both(proxy.address), on_both(proxy.address)]
        chat = await talk(nodes, "forgotten")
        proxy.refuse()
        proxy.cut()
        await all_on(nodes, "fallback")
        await asyncio.to_thread(grid.forget_binding, "rooms", "room.forgotten")
        proxy.accept()
        await all_on(nodes, "primary")
        await chat.more()
        await chat.check()
        assert not chat.failed()


async def test_a_broker_that_is_slow_to_bind_is_not_left(on_both, connect, broker):
    """Of many keys asked for at once the last one waits longer than an answer may take."""
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        node = on_both(proxy.address)
        await all_on([node], "primary")
        client = await connect(node, "slow")
        changes = node.metrics()["grid_failover_changes_total"]
        proxy.slow_down(4000)
        await asyncio.gather(*(client.ok("join", room=f"slow.{i}") for i in range(200)))
        metrics = node.metrics()
        assert metrics["grid_failover_changes_total"] == changes
        assert metrics['grid_bus_bind_results_total{bus="primary",result="ok"}'] >= 200
        assert metrics['grid_failover_owed{bus="primary"}'] == 0


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_nobody_notices_redis(on_both, talk, connect, redis, how):
    nodes = [on_both(), on_both()]
    chat = await talk(nodes, f"redis-{how}")
    await asyncio.to_thread(getattr(redis, how))
    for node in nodes:
        await until(lambda: node.metrics()['grid_bus_up{bus="fallback"}'] == 0)
    await chat.more()
    assert {route(node) for node in nodes} == {"ready: primary\n"}
    newcomer = await connect(nodes[0], "newcomer")
    await newcomer.join("joined-on-rabbitmq")
    await asyncio.to_thread(redis.start if how == "kill" else redis.thaw)
    for node in nodes:
        await until(lambda: node.metrics()['grid_bus_up{bus="fallback"}'] == 1 and
                    node.metrics()['grid_failover_owed{bus="fallback"}'] == 0)
    await chat.more()
    await chat.check()
    assert not chat.failed()


@pytest.mark.parametrize("first", ["broker", "redis"])
async def test_both_die(on_both, talk, broker, redis, first):
    nodes = [on_both(), on_both()]
    chat = await talk(nodes, f"both-{first}")
    await asyncio.to_thread(broker.kill)
    await all_on(nodes, "fallback")
    await chat.more()
    await asyncio.to_thread(redis.kill)
    for node in nodes:
        await until(lambda: node.get("/readyz") == (503, "not ready: the bus is down\n"))
    assert await chat.clients[0].fails("publish", room="nowhere", data=1) == "unavailable"
    one, other = (broker, redis) if first == "broker" else (redis, broker)
    await asyncio.to_thread(one.start)
    for node in nodes:
        await until(node.ready)
    await chat.more(20)
    await asyncio.to_thread(other.start)
    await all_on(nodes, "primary")
    mark = {client: len(answers) for client, answers in chat.answers.items()}
    await chat.more()
    await chat.stop()
    for client, answers in chat.answers.items():
        assert all(answer["op"] == "ok" for answer in answers[mark[client] + 1:])
        assert not client.closed
    await chat.check()


async def test_absent_users(on_both, connect, broker, grid, redis):
    node = on_both()
    client = await connect(node, "someone")
    assert (await client.publish(user="nobody", data="while all is well"))["routed"] is False
    await asyncio.to_thread(broker.kill)
    await all_on([node], "fallback")
    assert (await client.publish(user="nobody", data="on redis"))["routed"] is False
    assert (await client.publish(user="someone", data="here"))["routed"] is True
    wait_for(lambda: len(redis.offline()) == 1, 10, "one copy in the stream")
    assert redis.offline()[0]["key"] == "user.nobody"
    redis("XADD", "grid.offline", "*", "key", "user.somebody", "properties", "{}", "body", "of a backend")
    await asyncio.to_thread(broker.start)
    await all_on([node], "primary")
    offline = Offline(grid)
    offline.wait_for("user.nobody", b'"while all is well"')
    moved = offline.wait_for("user.nobody", b'"on redis"', timeout=60)
    assert moved.headers["from"] == "someone" and moved.delivery_mode == 2
    offline.wait_for("user.somebody", b"of a backend", timeout=60)
    wait_for(lambda: not redis.offline(), 10, "nothing is left in the stream")
    assert node.metrics()["grid_failover_moved_total"] == 2
    offline.close()
