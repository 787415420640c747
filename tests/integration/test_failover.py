"""A node dies behind nginx: its clients come back through nginx to another one, and hear again."""

import asyncio
import time

import pytest

from gridtest.nginx import Nginx

CLIENTS = 100
ROOMS = 3
WITHIN = 5.0  # seconds from the kill until everybody hears again


@pytest.fixture
def nginx_before(tmp_path):
    started = []

    def start(nodes):
        started.append(Nginx(tmp_path, nodes).start())
        return started[0]

    yield start
    for nginx in started:
        nginx.stop()


def rooms_of(number):
    return [f"room-{(number + i) % 20}" for i in range(ROOMS)]


async def come_back(connect, nginx, number):
    """As a client does after a connection was lost: again and again, with a pause that grows, until it is welcome."""
    for attempt in range(50):
        client = None
        try:
            client = await connect.open(nginx, f"u{number}")
            await client.wait_for("welcome")
            return await client.join(*rooms_of(number))
        except (OSError, AssertionError, asyncio.TimeoutError, Exception) as why:  # whatever nginx and sockets say
            last = why
            await asyncio.sleep(min(0.05 * 2 ** attempt, 0.5))
    raise AssertionError(f"client {number} never came back: {last}")


async def test_clients_of_a_killed_node_hear_again_within_five_seconds(nodes, grid, backend, connect, nginx_before):
    both = [nodes.on(grid), nodes.on(grid)]
    nginx = nginx_before(both)
    clients = [await connect(nginx, f"u{number}") for number in range(CLIENTS)]
    await asyncio.gather(*(client.join(*rooms_of(number)) for number, client in enumerate(clients)))
    # ip_hash sends all of one address to one node: that one dies.
    victim = next(node for node in both if node.id == clients[0].welcome["node"])
    assert {client.welcome["node"] for client in clients} == {victim.id}

    killed = time.monotonic()
    victim.kill()
    await asyncio.gather(*(client.wait_closed() for client in clients))
    clients = await asyncio.gather(*(come_back(connect, nginx, number) for number in range(CLIENTS)))
    for room in {room for number in range(CLIENTS) for room in rooms_of(number)}:
        await asyncio.to_thread(backend.to_room, room, ["after", room])
    await asyncio.gather(*(client.wait_data(*(["after", room] for room in rooms_of(number)))
                           for number, client in enumerate(clients)))
    took = time.monotonic() - killed
    assert {client.welcome["node"] for client in clients} == {node.id for node in both if node is not victim}
    assert took < WITHIN, f"{took:.1f} s"


async def test_a_node_that_is_back_is_used_again(nodes, grid, connect, nginx_before):
    both = [nodes.on(grid), nodes.on(grid)]
    nginx = nginx_before(both)
    first = await connect(nginx, "u")
    victim = next(node for node in both if node.id == first.welcome["node"])
    victim.kill()
    other = await come_back(connect, nginx, 0)
    assert other.welcome["node"] != victim.id
    victim.start()
    while (await come_back(connect, nginx, 0)).welcome["node"] != victim.id:  # after nginx' fail_timeout
        await asyncio.sleep(0.2)
