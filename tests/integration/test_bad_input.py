"""What hostile or broken clients send to a real node on a real bus: an error or a close with the right code, and the
node goes on as if nothing had been. Frames and handshakes alone are tested in tests/net, requests in test_protocol."""

import asyncio
import json
import random

from gridtest.raw import BINARY, CLOSE, CONTINUATION, TEXT, Raw, frame, handshake
from gridtest.util import wait_for

MEGABYTES = 10


async def lives(node, connect):
    client = await connect(node, "witness")
    await client.join("r")
    await client.publish(room="r", data="alive")
    await client.wait_data("alive")
    await client.close()


async def test_ten_megabytes_in_one_frame(nodes, grid, connect):
    node = nodes.on(grid)
    before = node.rss()
    with Raw(node) as raw:
        raw.welcomed("42")
        raw.send(frame("", length=MEGABYTES << 20))
        raw.send(b"x" * 65536)
        assert raw.read_until(CLOSE).code == 1009
    assert node.rss() - before < 5 << 20
    await lives(node, connect)


async def test_ten_megabytes_in_pieces(nodes, grid, connect):
    node = nodes.on(grid)
    with Raw(node) as raw:
        raw.welcomed("42")
        raw.send(frame(b'"', fin=False))
        for _ in range(MEGABYTES << 4):
            if not raw.send(frame(b"x" * 65536, CONTINUATION, fin=False)):
                break
        assert raw.close_code() in (1009, None)  # None: what we went on sending ran over the close frame
    assert node.metric('grid_net_closed_total{how="1009"}') == 1
    await lives(node, connect)


async def test_depth_bombs(nodes, grid, connect):
    node = nodes.on(grid)
    client = await connect(node, "42")
    for depth in (300, 30000):
        await client.send('{"op":"publish","room":"r","ref":1,"data":' + "[" * depth + "]" * depth + "}")
        error = await client.until(lambda: client.got("error", code="bad_json"))
        assert error
        client.pushes.clear()
    await client.sync()
    await lives(node, connect)


async def test_binary_frames_and_bytes_that_are_no_text(nodes, grid, connect):
    node = nodes.on(grid)
    for data, code in ((frame(b"\x00\x01", BINARY), 1003), (frame(b'{"op":"\xff"}', TEXT), 1007)):
        with Raw(node) as raw:
            raw.welcomed("42")
            raw.send(data)
            assert raw.close_code() == code
    await lives(node, connect)


async def test_half_handshakes_and_large_headers(nodes, grid, connect):
    node = nodes.on(grid)
    with Raw(node) as half, Raw(node) as large:
        half.send(b"GET /ws?user=42 HTTP/1.1\r\nHost: x\r\nUpgr")
        large.send(b"GET /ws?user=42 HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 20480 + b"\r\n\r\n")
        status, _ = large.answer()
        assert status in (400, 431)
        await lives(node, connect)
    await asyncio.to_thread(wait_for, lambda: node.metric("grid_net_connections") == 0, 30, "no socket is left")


async def test_a_flood_of_joins_ends_at_the_limit_and_holds_up_nobody(nodes, grid, connect):
    node = nodes.on(grid, {"limits.rooms": 50, "linger.room": "100ms"})
    flood, other = await connect(node, "flood"), await connect(node, "other")
    answers = [await flood.ask("join", room=f"flood-{i}") for i in range(3000)]
    await other.join("quiet")
    results = [await answer for answer in answers]
    assert [r["op"] for r in results[:50]] == ["ok"] * 50
    assert {r.get("code") for r in results[50:]} == {"too_many"}
    await flood.close()
    await asyncio.to_thread(wait_for, lambda: node.metric("grid_topics") <= 2, 60, "what it joined is unbound")
    await other.publish(room="quiet", data=1)
    await other.wait_data(1)


async def test_joins_and_leaves_without_end(nodes, grid, connect):
    node = nodes.on(grid, {"linger.room": "0ms", "linger.unbind_rate": 100000})
    client = await connect(node, "42")
    answers = []
    for i in range(1000):
        answers.append(await client.ask("join", room=f"r{i % 7}"))
        answers.append(await client.ask("leave", room=f"r{i % 7}"))
    codes = {json.dumps([a["op"], a.get("code")]) for a in [await answer for answer in answers]}
    assert codes <= {'["ok", null]', '["error", "not_joined"]'}, codes
    await asyncio.to_thread(wait_for, lambda: node.metric("grid_topics") == 1, 60, "only its own key is left")
    await lives(node, connect)


async def test_nonsense_without_end_is_4005(nodes, grid, connect):
    node = nodes.on(grid)
    client = await connect(node, "42")
    for _ in range(101):
        await client.send("nonsense")
    assert await client.wait_closed() == 4005
    assert len(client.got("error", code="bad_json")) == 101
    await lives(node, connect)


async def test_random_bytes(nodes, grid, connect):
    """Handshakes and frames with bytes changed, from fixed seeds: whatever comes of it, the node goes on."""
    node = nodes.on(grid, {"linger.user": "0"})
    witness = await connect(node, "watch")
    await witness.join("r")
    good = [json.dumps(request) for request in (
        {"op": "join", "room": "r", "ref": 1}, {"op": "publish", "room": "other", "data": [1, {"a": "ü"}], "ref": "x"},
        {"op": "publish", "user": "nobody", "data": None}, {"op": "leave", "room": "r"}, {"op": "ping"})]

    def spoil(data, dice):
        data = bytearray(data)
        for _ in range(dice.randrange(4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        return bytes(data[:dice.randrange(len(data)) + 1] if dice.random() < 0.1 else data)

    def attack(seed):
        dice = random.Random(seed)
        with Raw(node) as raw:
            if seed % 4 == 0:
                raw.send(spoil(handshake("/ws?user=42"), dice))
            else:
                raw.welcomed("42")
            for _ in range(20):
                text = dice.choice(good).encode()
                raw.send(frame(spoil(text, dice)) if dice.random() < 0.5 else spoil(frame(text), dice))
    for seed in range(200):
        await asyncio.to_thread(attack, seed)
        if seed % 50 == 0:
            await witness.sync()
    await asyncio.to_thread(wait_for, lambda: node.metric("grid_net_connections") == 1, 60, "no socket is left")
    await witness.sync()
    await lives(node, connect)
