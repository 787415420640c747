"""Notifications whose users have no socket that takes them: they wait for the user to come back, and end in the offline
queue if he does not. None is lost, whatever became of the client."""

import json
import socket
import struct

import pytest

from gridtest.raw import Raw
from gridtest.util import wait_for

TIME_ENOUGH = {"linger.user": "60s", "stray.hold": "60s", "stray.hold_at_start": "0"}
TIME_OVER = {"linger.user": "60s", "stray.hold": "500ms", "stray.hold_at_start": "0"}
LARGE = "x" * 30000
MANY = 2000     # of LARGE: far more than the buffers between a node and a client that does not read


def offline_data(offline, user):
    """What stands in the offline queue for this user, in order."""
    return [json.loads(body) for key, _, body in offline.take_all() if key == f"user.{user}"]


def reset(client):
    """As when the machine at the other end has gone."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def stopped_reading(node, client):
    wait_for(lambda: node.metric("grid_held") >= 10)
    reset(client)


def too_slow(node, client):
    """Closed by the node itself, and what waited was dropped by that."""
    assert node.metric("grid_sessions_too_slow_total") == 1
    reset(client)


@pytest.mark.parametrize("end, enough", [
    (stopped_reading, lambda node: node.metric("grid_held") >= 10),
    (too_slow, lambda node: node.metric("grid_sessions_too_slow_total") == 1),
])
def test_what_a_lost_client_had_not_been_sent(nodes, grid, backend, offline, end, enough):
    user = end.__name__
    node = nodes.on(grid, {**TIME_OVER, "node.id": f"strays-{user}", "stray.hold": "5s"})
    client = Raw(node, receive_buffer=4096).welcomed(user)
    published = 0
    while not enough(node):
        assert published < MANY, "takes everything"
        for _ in range(10):
            backend.to_user(user, [published, LARGE])
            published += 1
    end(node, client)
    wait_for(lambda: node.metric("grid_sessions") == 0)
    taken = int(node.metric("grid_frames_sent_total")) - 1  # without the welcome
    assert 0 < taken < published
    wait_for(lambda: node.metric("grid_bus_unsettled") == 0, 30)
    wait_for(lambda: node.metric("grid_rabbitmq_strays_waiting") == 0)  # the broker has confirmed them
    # With the socket's own buffers the client took what the node could not know it would not read.
    assert [number for number, _ in offline_data(offline, user)] == list(range(taken, published))
    assert node.metric('grid_strays_total{kind="user"}') == published - taken


@pytest.mark.parametrize("leave", ["closes", "vanishes"])
async def test_who_reconnects_in_time_gets_what_came_meanwhile(nodes, grid, backend, connect, offline, leave):
    user = f"back-{leave}"
    node = nodes.on(grid, {**TIME_ENOUGH, "node.id": user})
    other = await connect(node, "witness")
    client = await connect(node, user)
    backend.to_user(user, 0)
    await client.wait_data(0, op="notify")
    if leave == "closes":
        await client.close()
    else:
        client.abort()
        await client.wait_closed()
    wait_for(lambda: node.metric("grid_sessions") == 1)
    for i in range(1, 5):
        backend.to_user(user, i)
    await other.publish(user=user, data=5)
    wait_for(lambda: node.metric("grid_held") == 5)
    client = await connect(node, user)
    backend.to_user(user, 6)
    await client.wait_data(6, op="notify")
    assert client.data("notify") == [1, 2, 3, 4, 5, 6]
    wait_for(lambda: node.metric("grid_bus_unsettled") == 0)
    assert node.metric("grid_held_delivered_total") == 5
    again = await connect(node, user)
    await again.sync()
    assert not again.got("notify")
    assert offline_data(offline, user) == []


async def test_an_absent_user_among_several(nodes, grid, backend, connect, offline):
    node = nodes.on(grid, {**TIME_OVER, "node.id": "cc"})
    here = await connect(node, "cc-here")
    backend.to_user("cc-absent", "first", headers={"CC": ["user.cc-here", "user.cc-nowhere"]})
    backend.to_user("cc-here", "second", headers={"CC": ["user.cc-absent"]})
    await here.wait_data("first", "second", op="notify")
    offline.wait_for("user.cc-nowhere", b'"first"')
    offline.wait_for("user.cc-absent", b'"second"')
    wait_for(lambda: node.metric("grid_bus_unsettled") == 0)
    assert offline_data(offline, "cc-absent") == ["first", "second"]
    assert offline_data(offline, "cc-here") == []


async def test_what_waits_when_the_node_stops_is_kept(nodes, grid, backend, connect):
    node = nodes.on(grid, {**TIME_ENOUGH, "node.id": "kept"})
    client = await connect(node, "kept")
    await client.close()
    wait_for(lambda: node.metric("grid_sessions") == 0)
    for i in range(3):
        backend.to_user("kept", i)
    wait_for(lambda: node.metric("grid_held") == 3)
    assert node.stop() == 0
    with grid.connect("admin") as connection:
        queue = connection.channel().queue_declare(f"{grid.prefix}.node.kept", passive=True)
        assert queue.method.message_count == 3


async def test_who_comes_back_to_a_node_that_was_restarted(nodes, grid, backend, connect, offline, tmp_path):
    """All of it together: not settled at the stop, the key restored, nothing handed over while clients come back."""
    user = "restarted"
    node = nodes.on(grid, {"node.id": user, "state_dir": tmp_path, "linger.user": "60s", "stray.hold": "500ms"})
    client = await connect(node, user)
    await client.join("lobby")
    await client.close()
    wait_for(lambda: node.metric("grid_sessions") == 0)
    backend.to_user(user, 0)
    wait_for(lambda: node.metric("grid_held") == 1)
    assert node.stop() == 0
    backend.to_user(user, 1)
    node.start()
    wait_for(lambda: node.metric("grid_held") == 2)
    binds = node.metric("grid_bus_binds_total")
    client = await connect(node, user)
    await client.join("lobby")
    assert node.metric("grid_bus_binds_total") == binds
    backend.to_user(user, 2)
    await client.wait_data(2, op="notify")
    assert client.data("notify") == [0, 1, 2]
    wait_for(lambda: node.metric("grid_bus_unsettled") == 0)
    assert offline_data(offline, user) == []


async def test_too_many_wait(nodes, grid, backend, connect, offline):
    node = nodes.on(grid, {**TIME_ENOUGH, "node.id": "crowd", "stray.max": 3})
    client = await connect(node, "crowd")
    await client.close()
    wait_for(lambda: node.metric("grid_sessions") == 0)
    for i in range(5):
        backend.to_user("crowd", i)
    offline.wait_for("user.crowd", b"0")
    offline.wait_for("user.crowd", b"1")
    client = await connect(node, "crowd")
    await client.wait_data(4, op="notify")
    assert client.data("notify") == [2, 3, 4]
    assert offline_data(offline, "crowd") == [0, 1]
    assert node.metric('grid_held_handed_over_total{reason="room"}') == 2
