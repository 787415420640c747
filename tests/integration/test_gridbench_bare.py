"""The bare programs in gridbench: what a grid is compared with must itself be right."""

import contextlib
import json
import pathlib
import re
import signal
import socket
import struct

import pytest
import websockets

from gridtest.bench import GRIDBENCH, Bench
from gridtest.raw import PING, PONG, TEXT, Raw, frame, handshake
from gridtest.util import ROOT, free_port, wait_for

KEYS = 300
# What the kernel holds at most for a socket that sends.
MOST_SENT = int(pathlib.Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])


class Limit(Bench):
    """`gridbench limit`, listening."""

    def __init__(self, *arguments):
        self.host, self.port = "127.0.0.1", free_port()
        super().__init__([str(GRIDBENCH), "limit", "--listen", f"{self.host}:{self.port}", *arguments])
        self.wait_step("listening")

    def url(self, kind, room):
        return f"ws://{self.host}:{self.port}/{kind}/{room}"

    def raw(self, path, **options):
        """A websocket by hand."""
        raw = Raw(self, **options)
        raw.send(handshake(path))
        assert raw.answer()[0] == 101
        return raw

    def end_well(self):
        """Ends it; what it said last."""
        self.stop()
        code, output = self.end()
        assert (code, output) == (0, ""), self.log
        return re.search(r"^gridbench: done too_slow=(\d+)$", self.log, re.M).group(1)


@pytest.fixture(params=[(), ("--batch", "5ms")], ids=["each", "batch"])
def limit(request):
    """With a backlog for all that a test sends, however little the kernel holds."""
    with Limit("--backlog", "1G", *request.param) as server:
        yield server


def verb(grid, name, *arguments, role="node"):
    return Bench([str(GRIDBENCH), name, "--amqp", grid.amqp_uri(role), *arguments])


def queues_of_benches(grid):
    return [queue["name"] for queue in grid.api("GET", "queues") if queue["name"].startswith("grid.node.bench-")]


# limit


async def test_the_right_frames_reach_the_right_room(limit):
    async with contextlib.AsyncExitStack() as stack:
        async def open_all(kind, room, n):
            return [await stack.enter_async_context(websockets.connect(limit.url(kind, room))) for _ in range(n)]
        receivers = {room: await open_all("sub", room, 5) for room in ("a", "b")}
        publishers = {room: (await open_all("pub", room, 1))[0] for room in ("a", "b")}
        texts = ["", "x", "é" * 60, "y" * 126, "z" * 70000] + [f"message {i}" for i in range(500)]
        for text in texts:
            for room, publisher in publishers.items():
                await publisher.send(f"{room}: {text}")
        for room, sockets in receivers.items():
            for receiver in sockets:
                assert [await receiver.recv() for _ in texts] == [f"{room}: {text}" for text in texts]
    assert limit.end_well() == "0"


async def test_pings_are_answered_and_closing_is_mutual(limit):
    async with websockets.connect(limit.url("sub", "a")) as client:
        await (await client.ping(b"there?"))
    assert client.close_code == 1000
    limit.end_well()


def test_a_room_goes_on_without_who_left(limit):
    with limit.raw("/sub/a") as stays, limit.raw("/pub/a") as publisher:
        with limit.raw("/sub/a") as goes:
            goes.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for i in range(10):
            publisher.send(frame(f"{i}"))
        assert [stays.read().payload for _ in range(10)] == [b"%d" % i for i in range(10)]
    limit.end_well()


def test_what_it_does_not_do_is_refused(limit):
    for data, code in ((frame(b"x", opcode=2), 1003), (frame(b"x", fin=False), 1003), (frame(b"x", masked=False), 1002),
                       (frame(b"", length=2 << 20), 1009)):
        with limit.raw("/pub/a") as client:
            client.send(data)
            assert client.close_code() == code
    with Raw(limit) as client:
        client.send(handshake("/elsewhere"))
        assert client.answer()[0] == 404
    limit.end_well()


def flood(publisher, n, size):
    for i in range(n):
        publisher.send(frame(f"{i} ".ljust(size, "x")))


def test_a_slow_receiver_gets_all_and_holds_up_nobody(limit):
    """2 MB more than the kernel holds for a socket."""
    n = (MOST_SENT // 2000 // 100 + 10) * 100
    with (limit.raw("/sub/a", receive_buffer=4096) as slow, limit.raw("/sub/a") as fast,
          limit.raw("/pub/a") as publisher):
        for _ in range(n // 100):
            flood(publisher, 100, 2000)
            for _ in range(100):
                assert fast.read().opcode == TEXT
        slow.send(frame("later", opcode=PING))
        count = 0
        while (received := slow.read()).opcode == TEXT:
            assert int(received.payload.split()[0]) == count % 100
            count += 1
        assert (received, count) == ((PONG, b"later"), n)
    assert limit.end_well() == "0"


def test_a_receiver_too_far_behind_is_closed():
    with Limit("--backlog", "100K") as limit:
        with (limit.raw("/sub/a", receive_buffer=4096) as slow, limit.raw("/sub/a") as fast,
              limit.raw("/pub/a") as publisher):
            for _ in range(200):
                flood(publisher, 50, 2000)
                for _ in range(50):
                    assert fast.read().opcode == TEXT
            count = 0
            while slow.read() is not None:
                count += 1
            assert 0 < count < 200 * 50
        assert limit.end_well() == "1"


def test_it_says_why_it_cannot_listen():
    with Limit() as limit:
        with Bench([str(GRIDBENCH), "limit", f"--listen={limit.host}:{limit.port}"]) as second:
            assert second.end() == (3, "")
            assert "Address already in use" in second.log
        with Bench([str(GRIDBENCH), "limit", "--listen=nonsense/"]) as third:
            assert third.end() == (2, "")
        limit.end_well()


# pipe


def check_pipe(report):
    publishes, deliveries = report["publishes"], report["deliveries"]
    assert publishes["attempted"] == publishes["acknowledged"] == deliveries["total"] > 0
    assert publishes["refused"] == deliveries["foreign"] == 0 and publishes["late_sends"] <= publishes["attempted"]
    assert deliveries["per_s"] == pytest.approx(deliveries["total"] / report["seconds"], rel=0.01, abs=1)
    for times in report["latency_ms"].values():
        assert 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["p999"] <= times["max"]
    assert all(seconds > 0 for seconds in report["cpu_s"].values())


@pytest.mark.parametrize("arguments", [
    ("--rate=400", "--keys=50"),
    ("--rate=0", "--keys=7", "--queue=exclusive", "--window=100", "--prefetch=10"),
    ("--rate=200", "--persistent", "--size=200K"),
], ids=["paced", "as_fast_as_it_goes", "large_and_persistent"])
def test_pipe_gets_what_it_sends(grid, arguments):
    with verb(grid, "pipe", "--json", "--duration=1", *arguments) as run:
        run.wait_step("publishing")
        code, output = run.end()
    assert code == 0
    report = json.loads(output)
    check_pipe(report)
    assert report["seconds"] >= 1  # as told
    assert queues_of_benches(grid) == []


def test_pipe_ends_when_it_is_told_to(grid):
    with verb(grid, "pipe", "--duration=1h", "--rate=500", "--json") as run:
        run.wait_step("publishing")
        wait_for(lambda: any(queue.get("message_stats", {}).get("deliver_get", 0) > 0
                             for queue in grid.api("GET", "queues")), 60, "messages go through")
        run.stop()
        code, output = run.end()
    assert code == 0
    check_pipe(json.loads(output))


def test_pipe_prints_a_table(grid):
    with verb(grid, "pipe", "--duration=200ms", "--rate=100") as run:
        code, output = run.end()
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()] == ["pipe", "publishes", "deliveries", "ack", "delivery",
                                                                 "CPU"]


def test_pipe_says_what_was_lost(grid):
    """A queue that drops what it is sent: confirmed, and never there."""
    policy = {"pattern": "^grid\\.node\\.bench-", "priority": 1000, "apply-to": "queues",
              "definition": {"message-ttl": 0, "max-length": 1}}
    grid.api("PUT", "policies", "drops", body=policy)
    try:
        with verb(grid, "pipe", "--duration=500ms", "--rate=0", "--prefetch=1", "--settle=200ms", "--json") as run:
            code, output = run.end()
        report = json.loads(output)
        assert code == 1 and report["deliveries"]["total"] < report["publishes"]["acknowledged"]
    finally:
        grid.api("DELETE", "policies", "drops")


# bind


@pytest.mark.parametrize("arguments", [(), ("--queue=exclusive",), ("--window=1",)],
                         ids=["durable", "exclusive", "one"])
def test_bind_binds_all_and_cleans_up(grid, arguments):
    with verb(grid, "bind", "--json", f"--keys={KEYS}", *arguments) as run:
        code, output = run.end()
    assert code == 0
    report = json.loads(output)
    assert report["keys"] == report["wanted"] == KEYS and report["seconds"] > 0
    assert report["per_s"] == pytest.approx(KEYS / report["seconds"], rel=0.05)
    assert queues_of_benches(grid) == []


def bound_keys(grid):
    return {key for queue, key in grid.bindings_of("users") if queue.startswith("grid.node.bench-")}


@pytest.mark.parametrize("arguments,end", [((), ".#"), (("--exact",), "")], ids=["as_a_node", "exact"])
def test_bind_binds_users(grid, arguments, end):
    """More than are ever bound, so that it is caught binding."""
    with verb(grid, "bind", "--keys=1000000", "--window=20", *arguments) as run:
        run.wait_step("binding")
        wait_for(lambda: len(bound_keys(grid)) > 50, 60, "bindings")
        name = re.search(r"queue=grid\.node\.(bench-\w+)", run.log).group(1)
        for i in range(50):
            assert f"user.{name}-{i}{end}" in bound_keys(grid)
        run.stop()
        code, output = run.end()
    assert code == 0
    assert re.fullmatch(r"bound +\d+ keys in [\d.]+ s, \d+/s\n", output)
    assert queues_of_benches(grid) == []


# all


@pytest.mark.parametrize("name", ["pipe", "bind"])
def test_what_the_broker_refuses_is_said(grid, name):
    with verb(grid, name, role="publisher") as run:
        assert run.end() == (3, "")
        assert "ACCESS_REFUSED" in run.log


@pytest.mark.parametrize("name", ["pipe", "bind"])
def test_a_lost_connection_ends_it(grid, name):
    with verb(grid, name, *{"pipe": ["--duration=1h"], "bind": ["--keys=1000000", "--window=1"]}[name]) as run:
        run.wait_step("publishing|binding")

        def close_all():
            for connection in grid.broker.api("GET", "connections"):
                if connection["vhost"] == grid.vhost:
                    # 500: it ends at this moment, as gridbench does when it has lost the other one.
                    grid.broker.api("DELETE", "connections", connection["name"], none=(404, 500))
            return run.process.poll() is not None
        wait_for(close_all, 60, "its connections are closed", interval=0.2)
        assert run.end() == (3, "")


def test_the_command_line_is_checked(grid):
    for words in (["pipe"], ["bind", "--amqp=http://x"], ["pipe", "--rate=-1"], ["limit", "--listen"], ["bind", "now"]):
        with Bench([str(GRIDBENCH), *words]) as run:
            assert run.end() == (2, "")
            assert run.log.startswith("gridbench: ")


def test_every_verb_has_its_help():
    with Bench([str(GRIDBENCH), "--help"]) as run:
        code, output = run.end()
    assert code == 0
    verbs = re.findall(r"^  gridbench (\w+)", output, re.M)[:3]
    assert verbs == ["limit", "pipe", "bind"]
    for name in verbs:
        with Bench([str(GRIDBENCH), name, "--help"]) as run:
            code, output = run.end()
        assert code == 0 and output.startswith(f"gridbench {name} - ")
        assert re.search(r"^  --\w", output, re.M)


def documented():
    """The examples in the documents, by their verbs."""
    text = (ROOT / "docs" / "gridbench.md").read_text()
    return {line.split()[1]: line.split()[2:] for line in re.findall(r"^ +(gridbench [a-z]+ .*)$", text, re.M)}


def test_the_documented_examples_work(grid):
    examples = documented()
    assert examples.keys() == {"limit", "pipe", "bind"}
    small = {"--duration": "1", "--keys": "100"}  # this machine does other things as well
    for name in ("pipe", "bind"):
        words = examples[name]
        words = [small.get(before, word) for before, word in zip([None, *words], words)]
        with verb(grid, name, *words) as run:
            assert run.end()[0] == 0
    with Limit(*(word for word in examples["limit"] if word != "--listen" and ":" not in word)) as limit:
        limit.end_well()
