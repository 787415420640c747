"""What comes in: reassembly, limits, broken frames, pausing; and what goes out: order and completeness under load."""
import asyncio
import random
import socket

import pytest
import websockets

from rawws import BINARY, CLOSE, PING, PONG, TEXT, frame, wait_for

CONT = 0


def test_fragments_with_a_ping_between(node):
    with node.websocket() as ws:
        ws.send(frame("echo a", fin=False) + frame("ping me", PING) + frame("b", CONT, fin=False) + frame("", CONT))
        got = sorted([ws.frame(), ws.frame()])
        assert got == [(TEXT, b"ab"), (PONG, b"ping me")]


def test_a_character_cut_in_two(node):
    with node.websocket() as ws:
        ws.send(frame(b"echo \xc3", fin=False) + frame(b"\xbc", CONT))
        assert ws.text() == "ü"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1023, 1024, 1025, 1039, 1040, 4096, 65531])
def test_sizes_and_single_bytes(node, size):
    body = "".join(random.choices("abcdefgh", k=size))
    with node.websocket() as ws:
        ws.send(frame("echo " + body))
        assert ws.text() == body
        if size < 300:
            for byte in frame("echo " + body):
                ws.send(bytes([byte]))
            assert ws.text() == body


def test_many_messages_cut_anywhere(node):
    stream = b"".join(frame(f"echo {i} " + "z" * random.randrange(3000)) for i in range(300))
    with node.websocket() as ws:
        at = 0
        while at < len(stream):
            n = random.randrange(1, 5000)
            ws.send(stream[at:at + n])
            at += n
        assert [ws.text().split()[0] for _ in range(300)] == [str(i) for i in range(300)]


BAD = {
    "binary": (frame(b"x", BINARY), 1003),
    "long-binary": (frame(b"x" * 9000, BINARY), 1003),
    "ff": (frame(b"echo \xff"), 1007),
    "surrogate": (frame(b"echo \xed\xa0\x80"), 1007),
    "cut-character-goes-wrong": (frame(b"echo \xc3", fin=False) + frame(b"x", CONT), 1007),
    "ends-within-character": (frame(b"echo " + b"x" * 3000 + b"\xe2\x82"), 1007),
    "one-byte-too-big": (frame(b"x" * 65537), 1009),
    "far-too-big": (frame(b"x" * 1_000_000), 1009),
    "too-big-together": (frame(b"x" * 40000, fin=False) + frame(b"x" * 40000, CONT), 1009),
    "opcode": (frame("a", 3), 1002),
    "rsv": (frame("a", rsv=0x20), 1002),
    "nothing-to-continue": (frame("a", CONT), 1002),
    "not-continued": (frame("a", fin=False) + frame("b"), 1002),
    "ping-in-fragments": (frame("a", PING, fin=False), 1002),
}


@pytest.mark.parametrize("data, code", BAD.values(), ids=BAD.keys())
def test_bad_frames(node, data, code):
    with node.websocket() as ws:
        ws.send(data)
        assert ws.close_code() == code
        ws.send(frame(code.to_bytes(2, "big"), CLOSE))
        assert ws.ended() == "eof" or code == 1002  # what followed the mistake makes no sense any more
    wait_for(lambda: node.metric(f'grid_net_closed_total{{how="{code}"}}') == 1)
    wait_for(lambda: node.metric("grid_net_connections") == 0)


@pytest.mark.parametrize("data", [b"\x89\xfe\x00\x80", b"\x81\xff\x80" + b"\0" * 7], ids=["long-ping", "bit-63"])
def test_impossible_lengths_are_dropped_and_logged_sparingly(node, data):
    for _ in range(30):
        with node.websocket() as ws:
            ws.send(data)
            assert ws.ended() in ("eof", "reset")
    wait_for(lambda: node.metric("grid_net_connections") == 0)
    assert 1 <= node.log.read_text().count("lws.warn") <= 15


def test_too_big_is_known_from_the_header_alone(node):
    with node.websocket() as ws:
        ws.send(frame(b"x" * 10_000_000)[:20])
        assert ws.close_code() == 1009


def test_largest_message(node):
    with node.websocket() as ws:
        ws.send(frame("echo " + "x" * 65531))
        assert len(ws.text()) == 65531


def test_pause_stops_in_the_middle_of_a_buffer(node):
    with node.websocket() as ws, node.websocket() as other:
        ws.send(frame("pause") + frame("echo 1") + frame("echo 2", fin=False) + frame("3", CONT))
        wait_for(lambda: received(other) == 1)
        ws.send(frame("echo 4"))
        before = received(other)
        other.send(frame("echo x"))
        assert other.text() == "x"
        assert received(other) == before + 2 - 1  # nothing of the paused one
        other.send(frame(f"resume {ws.id}"))
        assert [ws.text(), ws.text(), ws.text()] == ["1", "23", "4"]


counted = {}


def received(other):
    """Messages core has got, apart from those asking for it."""
    other.send(frame("stats"))
    counted[other] = counted.get(other, 0) + 1
    return int(other.text().split()[2]) - counted[other]


def test_pause_holds_back_a_flood_and_loses_nothing(node):
    with node.websocket() as ws, node.websocket() as other:
        ws.send(frame("pause"))
        wait_for(lambda: received(other) == 1)
        stream = b"".join(frame(f"echo {i} {'w' * 500}") for i in range(20000))
        ws.sock.settimeout(0.3)
        sent = 0
        with pytest.raises(socket.timeout):  # the windows fill up: it is not being read
            while sent < len(stream):
                sent += ws.sock.send(stream[sent:sent + 65536])
        assert received(other) == 1
        other.send(frame(f"resume {ws.id}"))
        ws.sock.settimeout(15)
        import threading
        rest = threading.Thread(target=ws.sock.sendall, args=(stream[sent:],))
        rest.start()
        assert [ws.text().split()[0] for _ in range(20000)] == [str(i) for i in range(20000)]
        rest.join()


def test_slow_reader_gets_every_byte(node):
    with node.websocket(rcvbuf=4096) as ws, node.websocket() as other:
        ws.send(frame("flood 20000 400") + frame("flood 3 300000") + frame("flood 2 70000"))
        for n, size in ((20000, 400), (3, 300000), (2, 70000)):
            for i in range(n):
                text = ws.text()
                assert len(text) == size and text.startswith(f"{i} x"), (i, text[:20])
        other.send(frame("echo done"))
        assert other.text() == "done"
    # many frames in one send
    assert node.metric("grid_net_writes_total") < 2000


def test_pings_are_answered_while_output_is_stuck(node):
    with node.websocket(rcvbuf=4096) as ws:
        ws.send(frame("flood 20000 400") + frame("p", PING))
        frames = [ws.frame() for _ in range(20001)]
        assert frames.count((PONG, b"p")) == 1
        assert [p.split()[0] for o, p in frames if o == TEXT] == [str(i).encode() for i in range(20000)]


def test_python_websockets_with_thousands_of_frames(node):
    async def run():
        async with websockets.connect(f"ws://127.0.0.1:{node.port}/ws", subprotocols=["grid.v1.json"]) as ws:
            await ws.recv()
            async def send():
                for i in range(5000):
                    await ws.send(f"echo {i} " + "ü" * (i % 700))
            sender = asyncio.create_task(send())
            for i in range(5000):
                assert await ws.recv() == f"{i} " + "ü" * (i % 700)
            await sender
            await ws.send("flood 10000 100")
            for i in range(10000):
                assert (await ws.recv()).startswith(f"{i} x")
    asyncio.run(run())


def test_an_idle_node_does_not_wait_two_milliseconds(node):
    with node.websocket() as ws:
        worst = []
        for i in range(50):
            ws.send(frame("stats"))
            worst.append(int(ws.text().split()[3]))
        worst = sorted(worst[1:])
        assert worst[len(worst) // 2] < 1000, worst  # microseconds between the first pending byte and the flush
