"""gridbench against servers that are no grid: each dialect is understood, and what is lost there is found, too."""

import os
import subprocess

import pytest

from gridtest.bench import Bench, command
from gridtest.foreign import Nats, Plain, SocketIo, Stomp

LOGIN = {"login": "me:secret"}
SERVERS = {
    "nats": (Nats, {}, {}),
    "nats in one piece": (Nats, {"cut": 1 << 20}, {}),
    "stomp": (Stomp, {}, LOGIN),
    "socketio": (SocketIo, {}, {}),
    "socketio with names": (SocketIo, {"named": True}, {}),
}


def run(url, name, expect=0, **options):
    """A run's report."""
    options = {"connections": 12, "rooms": 3, "rate": 200, "duration": "500ms", "settle": 2, **options}
    with Bench(command([url], json=True, dialect=name.split()[0], **options)) as bench:
        return bench.report(expect=expect)


def nothing_wrong(report):
    for kind in ("rooms", "users"):
        assert (report[kind]["lost"], report[kind]["doubled"], report[kind]["disordered"]) == (0, 0, 0), report
    assert (report["misrouted"], report["foreign"]) == (0, 0), report
    assert report["publishes"]["acknowledged"] == report["publishes"]["attempted"] > 20, report
    assert report["deliveries"]["total"] == report["rooms"]["delivered"] + report["users"]["delivered"]
    assert report["connections"]["seconds"] > 0 and report["deliveries"]["per_s"] > 0


@pytest.mark.parametrize("name", SERVERS)
def test_rooms_and_users(name):
    server_class, server_options, options = SERVERS[name]
    with server_class(**server_options) as server:
        report = run(server.address, name, to="both", rooms_per_user=2, **options)
        # Two rooms and the user: three subscriptions for each connection.
        assert server.published == report["publishes"]["attempted"]
    nothing_wrong(report)
    assert report["rooms"]["delivered"] == 8 * report["rooms"]["acknowledged"]
    assert report["users"]["delivered"] == report["users"]["acknowledged"] > 0


@pytest.mark.parametrize("name", SERVERS)
def test_what_is_dropped_is_found(name):
    server_class, server_options, options = SERVERS[name]
    with server_class(drop=2, **server_options) as server:
        report = run(server.address, name, expect=1, **options)
    assert report["rooms"]["lost"] == 2 * 4 and report["rooms"]["doubled"] == 0


@pytest.mark.parametrize("name", [name for name in SERVERS if "with" not in name and "piece" not in name])
def test_a_user_is_asked_for_only_when_somebody_publishes_to_users(name):
    server_class, server_options, options = SERVERS[name]
    with server_class(**server_options) as server:
        nothing_wrong(run(server.address, name, **options))
        assert len(server.members) == 3


def test_plain_rooms():
    with Plain() as server:
        report = run(server.address + "/sub/{room}", "plain", publish_url=server.address + "/pub/{room}")
    nothing_wrong(report)
    assert report["rooms"]["delivered"] == 4 * report["rooms"]["acknowledged"]


def test_plain_users():
    with Plain() as server:
        report = run(server.address + "/sub/{user}", "plain", to="users", publish_url=server.address + "/pub/{user}")
    nothing_wrong(report)
    assert report["users"]["delivered"] > 20 and report["rooms"]["expected"] == 0


def test_plain_as_fast_as_it_is_taken():
    """No answer holds a publisher up, but the socket does."""
    with Plain() as server:
        report = run(server.address + "/sub/{room}", "plain", rate=0, duration=1, rooms=1, connections=2, settle=60,
                     publish_url=server.address + "/pub/{room}")
    nothing_wrong(report)
    assert report["rooms"]["delivered"] == 2 * report["rooms"]["acknowledged"] > 1000


def test_a_message_in_the_wrong_place_is_found():
    """Nothing around a plain payload says where it belongs; it does so itself."""
    class Confused(Plain):
        confused = False

        async def publish(self, name, payload):
            if self.published > 10 and name.endswith(".0") and not self.confused:
                self.confused, name = True, name[:-1] + "1"
            await super().publish(name, payload)

    with Confused() as server:
        report = run(server.address + "/sub/{room}", "plain", 1, rooms=2, connections=2,
                     publish_url=server.address + "/pub/{room}")
    assert (report["misrouted"], report["rooms"]["lost"]) == (1, 1), report


def test_a_process_is_watched():
    with Plain() as server, subprocess.Popen(["sleep", "1h"]) as idle:
        words = command([server.address + "/sub/{room}"], json=True, dialect="plain", connections=2, rooms=1,
                        duration="500ms", publish_url=server.address + "/pub/{room}")
        with Bench([*words, f"--watch=idle={idle.pid}", f"--watch=server={os.getpid()}"]) as bench:
            report = bench.report()
        idle.kill()
    processes = report["processes"]
    assert processes["idle"]["cpu_s"] < processes["server"]["cpu_s"]
    per_delivery = processes["server"]["cpu_s"] * 1e6 / report["deliveries"]["total"]
    assert processes["server"]["cpu_us_per_delivery"] == pytest.approx(per_delivery, rel=1e-2)
    assert all(kb > 0 for kb in processes["server"]["memory_kb"].values())
    assert list(processes["server"]["memory_kb"]) == ["start", "connected", "end"]


def test_what_cannot_be_watched():
    done = subprocess.run(command([], watch="a=1x"), text=True, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (2, "gridbench: --watch: a=1x: expected name=pid[+pid…]\n")


def test_publishers_may_go_elsewhere(module_nodes, grid):
    n1, n2 = module_nodes.on(grid), module_nodes.on(grid)
    with Bench(command([n1.url], json=True, publish_url=n2.url, connections=4, rooms=2, duration="500ms")) as bench:
        bench.wait_step("publishing")
        assert (n1.metric("grid_sessions"), n2.metric("grid_sessions")) == (4, 1)
        report = bench.report()
    nothing_wrong(report)
