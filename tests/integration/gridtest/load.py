"""Clients that keep publishing while something breaks, and the check that afterwards all flows again."""

import asyncio
import itertools

from .util import wait_for

# For nodes that are to notice quickly what happens to their broker.
FAST = {"bus.rabbitmq.heartbeat": "2s", "bus.rabbitmq.reconnect_min": "50ms", "bus.rabbitmq.reconnect_max": "500ms",
        "bus.rabbitmq.connect_timeout": "2s"}


async def until(condition, timeout=60, what=None):
    """wait_for() beside which clients go on."""
    return await asyncio.to_thread(wait_for, condition, timeout, what, 0.05)


class Load:
    """A client that publishes to a room one message after the other, and keeps the answers."""

    def __init__(self, client, room):
        self.client, self.room = client, room
        self.answers = []
        self.stopping = False
        self.task = asyncio.create_task(self._run())

    async def _run(self):
        for i in itertools.count():
            if self.stopping:
                return
            self.answers.append(await self.client.request("publish", room=self.room, data=["load", i]))

    def codes(self, since=0):
        return {answer.get("code", "ok") for answer in self.answers[since:]}

    async def wait_for(self, code):
        """Waits for such an answer to something asked from now on."""
        since = len(self.answers) + 1
        await self.client.until(lambda: code in self.codes(since), 90, f"{code} for a publish")

    async def stop(self):
        # Not cancel(): wait_for() may swallow it when the answer comes in the same moment.
        self.stopping = True
        await self.task


async def flows(clients, backend, room, count=50):
    """Everybody publishes to the room, a backend to everybody: all of it arrives, once and in order."""
    marks = {}
    for client in clients:
        marks[client] = (len(client.got("message")), len(client.got("notify")))
    for i in range(count):
        for client in clients:
            await client.publish(room=room, data=[client.session, i])
            backend.to_user(client.welcome["user"], i)
        backend.to_room(room, ["backend", i])
    for client in clients:
        messages, notifies = marks[client]
        expected = (len(clients) + 1) * count
        await client.until(lambda: len(client.got("message")) >= messages + expected and
                           len(client.got("notify")) >= notifies + count)
        await client.sync()
        heard = client.data()[messages:]
        for sender in [*(other.session for other in clients), "backend"]:
            assert [data[1] for data in heard if data[0] == sender] == list(range(count))
        assert client.data("notify")[notifies:] == list(range(count))


async def outage(n1, n2, connect, backend, stop, start):
    """Clients of two nodes publish while the bus between them is stopped and started: the nodes stay up, keep their
    sockets, and say `unavailable`; afterwards all flows again, and for who came meanwhile, too."""
    clients = [await connect(n1, "s1"), await connect(n1, "s2"), await connect(n2, "s3")]
    for client in clients:
        await client.join("storm")
    pids = n1.pid, n2.pid
    loads = [Load(client, "storm") for client in clients]
    for load in loads:
        await load.wait_for("ok")

    await asyncio.to_thread(stop)
    for load in loads:
        await load.wait_for("unavailable")
    for node in (n1, n2):
        await until(lambda: node.get("/readyz") == (503, "not ready: the bus is down\n"))
        assert node.get("/healthz")[0] == 200
    newcomer = await connect(n1, "s4")
    assert newcomer.welcome["bound"] is False
    assert await newcomer.fails("join", room="storm") == "unavailable"
    assert await newcomer.fails("publish", user="s1", data=1) == "unavailable"

    await asyncio.to_thread(start)
    for load in loads:
        await load.wait_for("ok")
    for node in (n1, n2):
        await asyncio.to_thread(node.wait_ready)
    for load in loads:
        await load.stop()
        assert load.codes() == {"ok", "unavailable"}
    await newcomer.join("storm")
    for node in (n1, n2):
        await until(lambda: node.metric("grid_topics_waiting") == 0, what="all bound again")
    for client in [*clients, newcomer]:
        await client.sync()
    publisher = backend()
    await flows([*clients, newcomer], publisher, "storm")
    publisher.close()
    assert (n1.pid, n2.pid) == pids and n1.running() and n2.running()
    assert not any(client.closed for client in clients)
