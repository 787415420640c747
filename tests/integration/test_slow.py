"""Clients that do not keep up: they go, and nobody else notices."""

import asyncio
import json
import socket
import time

from gridtest import raw
from gridtest.raw import Raw

QUEUE = 256 * 1024
READERS = 100
STUCK = SLOW = 5
FLOOD = "x" * 32000
MESSAGES_MAX = 2000     # of the flood: 64 MB, far above all bounds
SLACK = 24 * 1024 * 1024


def drain(client):
    """Reads to the end: the close code, or None; and whether the connection was reset."""
    return client.close_code(), client.reset


async def test_slow_clients(nodes, connect):
    # What the address sanitizer keeps of freed memory counts as memory in use, so let it keep little.
    node = nodes.local({"limits.queue": QUEUE}, environment={"ASAN_OPTIONS": "quarantine_size_mb=1"})
    readers = [await connect(node, f"reader-{i}") for i in range(READERS)]
    for reader in readers:
        await reader.join("shared")
    publisher = await connect(node, "publisher")

    def join_by_hand(user):
        client = Raw(node, receive_buffer=4096).welcomed(user)
        for room in ("shared", "flood"):
            client.send(raw.frame(json.dumps({"op": "join", "room": room, "ref": 1})))
            assert b'"op":"ok"' in client.read().payload
        return client
    stuck = [await asyncio.to_thread(join_by_hand, f"stuck-{i}") for i in range(STUCK)]
    slow = [await asyncio.to_thread(join_by_hand, f"slow-{i}") for i in range(SLOW)]

    rss, queued, sent = node.rss(), 0, 0
    while node.metric("grid_sessions_too_slow_total") < STUCK + SLOW:
        assert sent < MESSAGES_MAX, "never too slow"
        for _ in range(10):
            await publisher.publish(room="flood", data=FLOOD)
            await publisher.publish(room="shared", data=sent)
            sent += 1
            for client in slow:
                client.buffer += client.socket.recv(512)
        queued = max(queued, node.metric("grid_queued_bytes"))
        assert node.rss() - rss < (STUCK + SLOW) * QUEUE + SLACK
    assert 0 < queued <= (STUCK + SLOW) * QUEUE

    # The slow ones read on, and are told.
    for client in slow:
        assert await asyncio.to_thread(drain, client) == (4004, False)
        client.socket.close()
    # The others read nothing, so nothing can be told.
    while node.metric("grid_net_resets_total") < STUCK:
        await publisher.sync()
    for client in stuck:
        assert await asyncio.to_thread(drain, client) == (None, True)
    assert node.metric('grid_net_closed_total{how="4004"}') == STUCK + SLOW
    assert " warn session.too_slow session=" in node.log and 'user="stuck-0"' in node.log

    await publisher.publish(room="shared", data="end")
    for reader in readers:
        await reader.wait_data("end")
        assert reader.data() == [*range(sent), "end"]
    assert node.metric("grid_sessions") == READERS + 1
    assert node.metric("grid_queued_bytes") == 0


async def test_a_client_that_does_not_read_its_own_answers(nodes, connect):
    node = nodes.local({"limits.queue": "64K"})
    witness = await connect(node, "witness")

    def publish_and_never_read():
        with Raw(node, receive_buffer=4096).welcomed("deaf") as client:
            request = raw.frame(json.dumps({"op": "ping", "ref": "r" * 60}))
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            deadline = time.monotonic() + 60
            while client.send(request * 100):
                assert time.monotonic() < deadline, "can go on for ever"
    await asyncio.to_thread(publish_and_never_read)
    await witness.sync()
    assert node.metric("grid_sessions_too_slow_total") == 1 and node.metric("grid_sessions") == 1
