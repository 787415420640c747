"""Clients that do not read, or not fast enough: they go, with a word where one can reach them, and nobody else misses
anything."""

import asyncio

from gridtest.raw import CLOSE, Raw
from gridtest.util import wait_for

QUEUE = 64 * 1024
SETTINGS = {"limits.queue": "64K", "limits.frame": "64K"}
BODY = "x" * 8000
MEMBERS = 100


async def fill(publisher, done):
    """Publishes to the room until `done()`; how many messages that took."""
    count = 0
    while not done():
        for _ in range(20):
            await publisher.publish(room="r", data=[count, BODY])
            count += 1
    return count


async def test_one_that_reads_nothing_is_reset_and_the_others_miss_nothing(nodes, connect):
    node = nodes.local(SETTINGS)
    publisher = await connect(node, "publisher")
    members = [await connect(node, f"m{i}") for i in range(MEMBERS)]
    await asyncio.gather(*(member.join("r") for member in members))
    before = node.rss()

    with Raw(node, receive_buffer=4096) as mute:
        mute.welcomed("mute")
        mute.send(b"".join(_join_frame()))
        wait_for(lambda: node.metric("grid_requests_total{op=\"join\"}") == MEMBERS + 1)
        count = await fill(publisher, lambda: node.metric("grid_sessions_too_slow_total") == 1)
        node.wait_log(r'warn session\.too_slow .*user="mute"')
        await asyncio.to_thread(wait_for, lambda: node.metric("grid_sessions") == MEMBERS + 1, 30, "the mute one is gone")
        assert await asyncio.to_thread(mute.close_code) is None  # a reset: the close frame could not reach it

    for member in members:
        await member.until(lambda m=member: len(m.got("message")) == count)
        assert [data[0] for data in member.data()] == list(range(count))
    # Each connection may hold its queue and what is on its way to the socket; sanitizers keep a good deal more.
    assert node.rss() - before < (MEMBERS + 2) * 4 * QUEUE + 256 * 1024 * 1024
    assert node.metric("grid_queued_bytes") == 0


def _join_frame():
    from gridtest.raw import frame
    yield frame('{"op":"join","room":"r"}')


async def test_one_that_reads_slowly_is_told_4004(nodes, connect):
    node = nodes.local(SETTINGS)
    publisher = await connect(node, "publisher")
    with Raw(node, receive_buffer=4096) as slow:
        slow.welcomed("slow")
        slow.send(b"".join(_join_frame()))
        wait_for(lambda: node.metric("grid_requests_total{op=\"join\"}") == 1)
        await fill(publisher, lambda: node.metric("grid_sessions_too_slow_total") == 1)
        received = await asyncio.to_thread(slow.read_until, CLOSE)
        assert received is not None and received.code == 4004
    node.wait_log(r'warn session\.too_slow .*user="slow"')
    await asyncio.to_thread(wait_for, lambda: node.metric("grid_sessions") == 1, 30, "it is gone")
