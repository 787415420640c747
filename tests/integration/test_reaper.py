"""A dead node's queue: what lies in it and what still comes is handed over by another node, which then deletes it. No
confirmed message for a user of the dead node is lost on the way."""

import asyncio
import json
import signal
import threading
import time

import pytest

from gridtest.backend import Backend, user_key
from gridtest.util import wait_for

DEAD_AFTER = 3
SETTINGS = {"node.dead_after": f"{DEAD_AFTER}s", "bus.rabbitmq.heartbeat": "1s"}
PAUSE = 0.1


def queue_of(node):
    return f"grid.node.{node.id}"


def exists(grid, queue):
    return grid.api("GET", "queues", queue) is not None


class Steady:
    """A backend that publishes to users in turn, from a thread of its own, and waits for each confirm."""

    def __init__(self, grid, users, pause=PAUSE):
        self.grid, self.users, self.pause = grid, users, pause
        self.confirmed = []  # (routing key, body)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        backend = Backend(self.grid)
        number = 0
        while not self._over.wait(self.pause):
            user = self.users[number % len(self.users)]
            backend.to_user(user, number)
            self.confirmed.append((user_key(user), str(number).encode()))
            number += 1
        backend.close()

    def stop(self):
        self._over.set()
        self._thread.join()
        return self.confirmed


@pytest.fixture
def steady(grid):
    """Starts publishers, which stop with the test at the latest."""
    started = []

    def start(*arguments, **more):
        started.append(Steady(grid, *arguments, **more))
        return started[-1]
    yield start
    for publisher in started:
        publisher.stop()


def taken(offline):
    """(two-word key, body) of all that was in the offline queue."""
    return {(".".join(key.split(".")[:2]), body) for key, _, body in offline.take_all()}


def wait_offline(offline, wanted, client=None):
    """Until each of these is in the offline queue, or has come to the client that is its user."""
    def missing():
        seen = {str(value).encode() for value in client.data("notify")} if client else set()
        there = taken(offline)
        return [message for message in wanted if message not in there and message[1] not in seen]
    wait_for(lambda: not missing(), 30, "all messages in the offline queue", interval=0.2)


async def know_each_other(*nodes):
    """Until each has heard of all the others."""
    for node in nodes:
        while node.metric("grid_rabbitmq_peers") < len(nodes) - 1:
            await asyncio.sleep(0.05)


async def wait_gone(grid, queue):
    while await asyncio.to_thread(exists, grid, queue):
        await asyncio.sleep(0.05)


async def test_nothing_for_a_killed_nodes_user_is_lost(nodes, grid, connect, offline, steady):
    n1, n2 = nodes.on(grid, SETTINGS), nodes.on(grid, SETTINGS)
    await know_each_other(n1, n2)
    await connect(n1, "absent")
    writer = await connect(n2, "writer")
    await (await connect(n1, "other")).join("loud")

    n1.kill()
    publisher = steady(["absent"])
    answers = []
    while await asyncio.to_thread(exists, grid, queue_of(n1)):
        data = ["ws", len(answers)]
        answers.append((data, (await writer.publish(user="absent", data=data))["routed"]))
        await writer.publish(room="loud", data=data)
        await asyncio.sleep(PAUSE)
    while (await writer.publish(user="absent", data="after"))["routed"]:
        await asyncio.sleep(0.02)  # for a moment the other node still catches every user's messages
    wanted = publisher.stop() + [(user_key("absent"), json.dumps(data).encode()) for data, _ in answers]
    await asyncio.to_thread(wait_offline, offline, wanted)
    routed = [routed for _, routed in answers]
    assert routed[0] is True and False in routed
    assert " bus.peer_silent " in n2.log and " bus.reaping " in n2.log and " bus.reaped " in n2.log
    assert n2.metric('grid_rabbitmq_reaps_total{end="deleted"}') == 1 and n2.metric("grid_rabbitmq_peers") == 0
    assert not [key for queue, key in grid.bindings_of("users") if queue == queue_of(n2) and key == "user.#"]


async def test_nothing_is_lost_while_a_queue_with_many_bindings_goes(nodes, grid, connect, offline, steady):
    """The broker takes a second for a thousand bindings, and routes to the queue meanwhile."""
    keys = 1500
    n1, n2 = nodes.on(grid, SETTINGS), nodes.on(grid, SETTINGS)
    await know_each_other(n1, n2)
    connection = grid.connect("admin")
    channel = connection.channel()
    for i in range(keys):
        channel.queue_bind(queue_of(n1), "grid.users", f"user.many{i}.#")
    connection.close()
    n1.kill()
    while ("grid.node." + n2.id, "user.#") not in grid.bindings_of("users"):
        assert exists(grid, queue_of(n1)), "it is gone, and nothing was caught"
        await asyncio.sleep(0.01)
    publishers = [steady([f"many{i}" for i in range(k, keys, 4)], pause=0.002) for k in range(4)]
    await wait_gone(grid, queue_of(n1))
    wanted = [message for publisher in publishers for message in publisher.stop()]
    await asyncio.to_thread(wait_offline, offline, wanted)
    await asyncio.to_thread(wait_for, lambda: ("grid.node." + n2.id, "user.#") not in grid.bindings_of("users"))


async def test_nothing_is_lost_while_a_node_makes_its_own_queue_anew(nodes, grid, offline, steady):
    """Without a journal: the queue goes with all that the process before has bound to it."""
    keys = 1500
    node = nodes.on(grid, {**SETTINGS, "stray.hold_at_start": "0s", "stray.hold": "0s"})
    connection = grid.connect("admin")
    channel = connection.channel()
    for i in range(keys):
        channel.queue_bind(queue_of(node), "grid.users", f"user.many{i}.#")
    connection.close()
    await asyncio.to_thread(node.kill)
    publishers = [steady([f"many{i}" for i in range(k, keys, 4)], pause=0.002) for k in range(4)]
    await asyncio.to_thread(node.start)
    wanted = [message for publisher in publishers for message in publisher.stop()]
    assert "bus.queue_reset" in node.log
    await asyncio.to_thread(wait_offline, offline, wanted)
    assert not [key for _, key in grid.bindings_of("users") if key == "user.#"]


async def test_an_owner_that_returns_gets_its_queue_back(nodes, grid, connect, offline, steady):
    n1, n2 = nodes.on(grid, SETTINGS), nodes.on(grid, SETTINGS)
    await know_each_other(n1, n2)
    await connect(n1, "back")
    n1.kill()
    publisher = steady(["back"])
    await asyncio.to_thread(n2.wait_log, r" bus\.reaping ")
    await asyncio.to_thread(n1.start)
    n2.wait_log(r" bus\.reap_stepped_back ")
    client = await connect(n1, "back")
    mark = Backend(grid)
    mark.to_user("back", "here")
    await client.wait_data("here", op="notify")
    mark.close()
    await asyncio.to_thread(wait_offline, offline, publisher.stop(), client)


async def test_a_warm_start_does_not_trust_what_a_reaper_has_unbound(nodes, grid, connect, backend, tmp_path):
    settings = {**SETTINGS, "state_dir": tmp_path}
    n1, n2 = nodes.on(grid, settings), nodes.on(grid, settings)
    await know_each_other(n1, n2)
    await connect(n1, "warm")
    n1.kill()
    # The journal lies in the same folder: its keys are unbound although no message has come under them.
    while queue_of(n1) in {queue for queue, _ in grid.bindings_of("users")}:
        await asyncio.sleep(0.02)
    await asyncio.to_thread(n1.start)
    assert " bus.reap_stepped_back " in n2.log
    assert " bus.warm_start " in n1.log and " bus.queue_reset " in n1.log
    client = await connect(n1, "warm")
    backend.to_user("warm", "here")
    await client.wait_data("here", op="notify")


async def test_messages_in_a_queue_that_is_not_trusted_do_not_hold_up_the_start(nodes, grid, connect, offline, steady,
                                                                                 tmp_path):
    """They are taken twice: held for their user first, then found again while the queue is emptied."""
    settings = {**SETTINGS, "state_dir": tmp_path, "stray.hold_at_start": "5m"}
    node = nodes.on(grid, settings)
    await connect(node, "warm")
    node.kill()
    publisher = steady(["warm"], pause=0.01)
    while len(publisher.confirmed) < 20:
        await asyncio.sleep(0.01)
    wanted = publisher.stop()
    connection = grid.connect("admin")
    for queue, key in grid.bindings_of("nodes"):
        if queue == queue_of(node) and key.count(".") == 2:
            connection.channel().queue_unbind(queue, "grid.nodes", key)
    connection.close()
    await asyncio.to_thread(node.start, 20)
    assert " bus.warm_start " in node.log and " bus.queue_reset " in node.log
    await asyncio.to_thread(wait_offline, offline, wanted)


async def test_a_stopped_node_loses_its_queue_for_a_while(nodes, grid, connect, offline, steady):
    n1, n2 = nodes.on(grid, SETTINGS), nodes.on(grid, SETTINGS)
    await know_each_other(n1, n2)
    client = await connect(n1, "frozen")
    publisher = steady(["frozen"])
    await client.until(lambda: client.data("notify"))
    n1.process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.to_thread(n2.wait_log, r" bus\.reaping ", 60)
        # Until it has unbound a key of it: whoever comes back must not trust in what it had bound.
        while n2.metric("grid_rabbitmq_reap_messages_total") == 0:
            await asyncio.sleep(0.05)
        start = len(n1.log)
    finally:
        n1.process.send_signal(signal.SIGCONT)
    await asyncio.to_thread(n1.wait_log, r" bus\.state .* to=up", 60, start)
    backend = Backend(grid)
    backend.to_user("frozen", "thawed")
    await client.wait_data("thawed", op="notify")
    backend.close()
    await asyncio.to_thread(wait_offline, offline, publisher.stop(), client)
    assert n2.metric('grid_rabbitmq_reaps_total{end="deleted"}') == 0


async def test_a_stop_shorter_than_the_broker_notices_changes_nothing(nodes, grid, connect, offline):
    """Silent for longer than dead_after, but the broker still sees its consumer: nobody else gets the queue."""
    settings = {**SETTINGS, "bus.rabbitmq.heartbeat": "20s"}
    n1, n2 = nodes.on(grid, settings), nodes.on(grid, settings)
    await know_each_other(n1, n2)
    client = await connect(n1, "still")
    backend = Backend(grid)
    n1.process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.to_thread(wait_for, lambda: n2.metric('grid_rabbitmq_reaps_total{end="taken"}') > 0, 30)
        for i in range(5):
            backend.to_user("still", i)
    finally:
        n1.process.send_signal(signal.SIGCONT)
    await client.until(lambda: client.data("notify") == list(range(5)))
    # After its own stop it judges nobody by how long it has not listened itself.
    heard = n1.metric('grid_rabbitmq_hellos_total{what="heard"}')
    while n1.metric('grid_rabbitmq_hellos_total{what="heard"}') < heard + 6:
        await asyncio.sleep(0.1)
    assert " bus.peer_silent " not in n1.log and " bus.lost " not in n1.log
    assert not [body for key, body in taken(offline) if key == user_key("still")]
    backend.close()


async def test_links_cut_while_reaping(nodes, grid, connect, offline, steady):
    n1, n2 = nodes.on(grid, SETTINGS), nodes.on(grid, SETTINGS)
    await know_each_other(n1, n2)
    await connect(n1, "cut")
    n1.kill()
    backend = Backend(grid)
    for i in range(500):
        backend.to_user("cut", ["early", i])
    backend.close()
    wanted = [(user_key("cut"), json.dumps(["early", i]).encode()) for i in range(500)]
    start = 0
    for _ in range(3):
        await asyncio.to_thread(n2.wait_log, r" bus\.reaping ", 60, start)
        start = len(n2.log)
        await asyncio.to_thread(grid.broker.ctl, "close_all_user_connections", grid.account("node"), "test")
        await asyncio.to_thread(n2.wait_log, r" bus\.lost link=consumer ", 30, start)
    await wait_gone(grid, queue_of(n1))
    await asyncio.to_thread(wait_offline, offline, wanted)


async def test_several_dead_at_once_are_reaped_by_several(nodes, grid, connect, offline):
    dead = [nodes.on(grid, SETTINGS) for _ in range(3)]
    living = [nodes.on(grid, SETTINGS) for _ in range(2)]
    await know_each_other(*dead, *living)
    for i, node in enumerate(dead):
        await connect(node, f"many{i}")
    for node in dead:
        node.kill()
    backend = Backend(grid)
    wanted = []
    for i in range(60):
        backend.to_user(f"many{i % 3}", i)
        wanted.append((user_key(f"many{i % 3}"), str(i).encode()))
    backend.close()
    for node in dead:
        await wait_gone(grid, queue_of(node))
    await asyncio.to_thread(wait_offline, offline, wanted)
    reaped = [node.metric('grid_rabbitmq_reaps_total{end="deleted"}') for node in living]
    assert sum(reaped) == 3, reaped
    for node in living:
        await asyncio.to_thread(wait_for, lambda node=node: node.metric("grid_rabbitmq_peers") == 1, 30)
