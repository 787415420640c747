"""A node dies behind nginx: everybody comes back through nginx to the other one."""

import asyncio
import contextlib
import time

import pytest
import websockets

from gridtest.client import Client
from gridtest.nginx import Nginx

CLIENTS = 100
SECONDS = 5


@pytest.fixture
def nginx_for(tmp_path_factory):
    """Starts an nginx in front of nodes."""
    started = []

    def start(*nodes):
        started.append(Nginx(tmp_path_factory.mktemp("nginx"), nodes))
        return started[-1].start()
    yield start
    for nginx in started:
        nginx.stop()


class Comeback:
    """A client that connects again whenever it is cut off, and joins its rooms, as applications do."""

    def __init__(self, place, user, rooms):
        self.place, self.user, self.rooms = place, user, rooms
        self.client = None
        self.present = asyncio.Event()  # welcomed, and in all its rooms
        self.task = asyncio.create_task(self._run())

    async def _run(self):
        while True:
            with contextlib.suppress(OSError, AssertionError, asyncio.TimeoutError, websockets.WebSocketException):
                self.client = await Client.open(self.place, self.user)
                await self.client.wait_for("welcome")
                await self.client.join(*self.rooms)
                self.present.set()
                await self.client.wait_closed(3600)
            self.present.clear()
            await asyncio.sleep(0.05)  # a short backoff: this, too, is what applications do

    @property
    def node(self):
        return self.client.welcome["node"]


class Crowd:
    def __init__(self):
        self.members = []

    def add(self, *arguments):
        self.members.append(Comeback(*arguments))

    async def present(self, node):
        """Waits until all are on that node, in their rooms."""
        for member in self.members:
            while not (member.present.is_set() and member.node == node.id):
                await asyncio.sleep(0.01)

    async def aclose(self):
        for member in self.members:
            member.task.cancel()
        await asyncio.gather(*(member.task for member in self.members), return_exceptions=True)
        for member in self.members:
            if member.client:
                member.client.abort()


@pytest.fixture
def crowd():
    return Crowd()


async def all_hear(crowd, backend, mark):
    """A backend says something in every room and to every user; all of them hear it."""
    for room in sorted({room for member in crowd.members for room in member.rooms}):
        backend.to_room(room, [mark, room])
    for member in crowd.members:
        backend.to_user(member.user, mark)
    for member in crowd.members:
        await member.client.wait_data(*([mark, room] for room in member.rooms))
        await member.client.wait_data(mark, op="notify")


async def test_a_killed_node(nodes, grid, backend, nginx_for, crowd):
    settings = {"heartbeat.interval": "5s", "heartbeat.idle_timeout": "15s"}
    n1, n2 = nodes.on(grid, settings), nodes.on(grid, settings)
    nginx = nginx_for(n1, n2)
    for i in range(CLIENTS):
        crowd.add(nginx, f"f{i}", [f"own.{i}", f"group.{i % 10}", "everybody"])
    while not crowd.members[0].present.is_set():
        await asyncio.sleep(0.01)
    # ip_hash: all of them come from one address.
    victim, other = (n1, n2) if crowd.members[0].node == n1.id else (n2, n1)
    await crowd.present(victim)
    await all_hear(crowd, backend, "before")

    start = time.monotonic()
    victim.kill()
    await crowd.present(other)
    await all_hear(crowd, backend, "after")
    took = time.monotonic() - start
    assert took <= SECONDS, f"{took:.1f} s"
    assert other.metric("grid_sessions") == CLIENTS

    # The other one is back in its place, and nobody notices.
    victim.start()
    await all_hear(crowd, backend, "still here")
    assert all(member.node == other.id for member in crowd.members)


async def test_a_drained_node(nodes, grid, backend, nginx_for, crowd):
    n1, n2 = nodes.on(grid), nodes.on(grid)
    nginx = nginx_for(n1, n2)
    for i in range(10):
        crowd.add(nginx, f"d{i}", ["drained"])
    while not crowd.members[0].present.is_set():
        await asyncio.sleep(0.01)
    first, other = (n1, n2) if crowd.members[0].node == n1.id else (n2, n1)
    await crowd.present(first)
    clients = [member.client for member in crowd.members]
    assert await asyncio.to_thread(first.stop) == 0
    await crowd.present(other)
    for client in clients:
        assert client.close_code == 1012 and client.got("bye")[0]["code"] == "drain"
    await all_hear(crowd, backend, "after")
