"""What the broker delivers again after a lost link reaches nobody twice, and nothing is lost by it."""

import asyncio
import itertools
import random
import threading
import time

import pytest

from gridtest.backend import Backend
from gridtest.tcpproxy import Proxy
from gridtest.util import wait_for

FAST = {"bus.rabbitmq.heartbeat": "2s", "bus.rabbitmq.reconnect_min": "20ms", "bus.rabbitmq.reconnect_max": "200ms",
        "bus.rabbitmq.connect_timeout": "2s"}
ROOMS = ("again.a", "again.b")
CUTS = 10
EVERY = 0.01  # seconds between two bursts of a publisher


@pytest.fixture
def proxy(broker):
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        yield proxy


class WebsocketPublisher:
    """Publishes to the rooms in turn, without waiting for the answers; up to 600 messages a second."""

    def __init__(self, client, name):
        self.client, self.name = client, name
        self.answers = []
        self.stopping = False
        self.task = asyncio.create_task(self._run())

    async def _run(self):
        numbers = itertools.count()
        while not self.stopping:
            for i in itertools.islice(numbers, 6):
                self.answers.append(await self.client.ask("publish", room=ROOMS[i % 2], data=[self.name, i]))
            await asyncio.sleep(EVERY)

    async def stop(self):
        """How many it has published, all of them confirmed."""
        self.stopping = True
        await self.task
        answers = await asyncio.gather(*self.answers)
        assert {answer["op"] for answer in answers} == {"ok"}
        return len(answers)


class AmqpPublisher:
    """A backend: two messages to the rooms and one to a user, each confirmed, then the same again; up to 300 messages a second."""

    def __init__(self, grid, name, user):
        self.backend = Backend(grid)
        self.name, self.user = name, user
        self.count = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        due = time.monotonic()
        while not self.stopping.is_set():
            for room in ROOMS:
                self.backend.to_room(room, [self.name, self.count])
                self.count += 1
            self.backend.to_user(self.user, self.count // 2)
            due += EVERY
            self.stopping.wait(due - time.monotonic())

    async def stop(self):
        """How many it has published to the rooms."""
        self.stopping.set()
        await asyncio.to_thread(self.thread.join)
        self.backend.close()
        return self.count


async def cut_again_and_again(node, proxy, client, of):
    """Each time when some more messages have arrived: now and then so few that not all has come that was to come again,
    and now and then without a word of the node to the broker meanwhile."""
    async def more(n):
        mark = len(client.pushes) + n
        await client.until(lambda: len(client.pushes) >= mark, 60, f"{n} more messages before cut {i}")

    for i in range(CUTS):
        await more(random.randrange(1, 20) if i % 3 == 2 else random.randrange(200, 900))
        if i % 2 == 0:
            proxy.withhold(of)
            await more(random.randrange(1, 200))
        proxy.cut(of)
        await asyncio.to_thread(wait_for, lambda: node.metric('grid_rabbitmq_losses_total{link="consumer"}') > i, 30)


def in_order(client, sender, count):
    """Every message of this sender, once."""
    got = [data[1] for data in client.data() if data[0] == sender]
    for parity in (0, 1):  # one room each
        assert [i for i in got if i % 2 == parity] == list(range(parity, count, 2))


@pytest.mark.parametrize("of", [b" consumer", b""], ids=["consumer", "both"])
async def test_cut_ten_times_at_a_thousand_messages_a_second(nodes, grid, proxy, connect, of):
    near = nodes.on(grid, FAST)
    far = nodes.on(grid, FAST, address=proxy.address)
    seed = random.randrange(1000000)
    random.seed(seed)
    print("seed", seed)
    receivers = [await connect(far, f"far-{i}") for i in range(3)] + [await connect(near, "near")]
    for receiver in receivers:
        await receiver.join(*ROOMS)
    publishers = [WebsocketPublisher(await connect(near, f"pub-{i}"), f"ws-{i}") for i in range(2)]
    publishers.append(AmqpPublisher(grid, "amqp", "far-0"))

    await cut_again_and_again(far, proxy, receivers[0], of)

    counts = {publisher.name: await publisher.stop() for publisher in publishers}
    await asyncio.to_thread(far.wait_ready)
    total = sum(counts.values())
    for receiver in receivers:
        await receiver.until(lambda: len(receiver.got("message")) >= total, 60, f"all of {total} messages")
    notifies = counts["amqp"] // 2
    await receivers[0].until(lambda: len(receivers[0].got("notify")) >= notifies, 60, f"{notifies} notifies")
    for receiver in receivers:
        await receiver.sync()
        for name, count in counts.items():
            in_order(receiver, name, count)
        assert len(receiver.got("message")) == total
    assert receivers[0].data("notify") == list(range(1, notifies + 1))
    known = {name: value for name, value in far.metrics().items() if "rabbitmq_known" in name}
    print(counts, known)
    assert sum(known.values()) >= CUTS / 2
