"""gridbench against a real grid: it finds nothing where nothing is wrong, and everything that is."""

import contextlib
import json
import os
import pty
import re
import shlex
import signal
import subprocess

import pytest

from gridtest.bench import GRIDBENCH, Bench, bench, command
from gridtest.raw import CONTINUATION, PING, TEXT, frame
from gridtest.tcpproxy import Proxy
from gridtest.util import ROOT, free_port, wait_for
from gridtest.wsproxy import TamperingProxy

SETTINGS = {"linger.user": "500ms", "linger.room": "500ms"}
PROGRAM = re.compile(r"^ +(gridbench(?: --.*)?)$", re.M)


@pytest.fixture(scope="module")
def n1(module_nodes, grid):
    return module_nodes.on(grid, SETTINGS)


@pytest.fixture(scope="module")
def n2(module_nodes, grid):
    return module_nodes.on(grid, SETTINGS)


def amqp(grid):
    return {"amqp": grid.amqp_uri("publisher")}


def offline_of(grid):
    return {"offline": grid.amqp_uri("worker")}


def connections(report):
    """Without the time it took."""
    return {name: n for name, n in report["connections"].items() if name != "seconds"}


def nothing_wrong(report):
    for kind in ("rooms", "users"):
        assert (report[kind]["lost"], report[kind]["doubled"], report[kind]["disordered"]) == (0, 0, 0), report
    assert (report["misrouted"], report["foreign"]) == (0, 0), report


# Nothing is wrong


def test_a_clean_run_finds_nothing(n1, n2, grid):
    with bench([n1, n2], connections=40, users=20, rooms=6, rooms_per_user=2, publishers=4, via="both", to="both",
               rate=400, duration=2, **amqp(grid), **offline_of(grid)) as run:
        assert run.wait_step("connected") == "gridbench: connected connections=40"
        for step in ("publishing", "settling", "done"):
            run.wait_step(step)
        report = run.report()
    nothing_wrong(report)
    publishes, rooms, users = report["publishes"], report["rooms"], report["users"]
    assert publishes["attempted"] == publishes["acknowledged"] > 400
    # 20 users of two sessions each, in 2 of 6 rooms: 80 places, so 13.3 sessions in a room.
    assert 12 * rooms["acknowledged"] < rooms["expected"] == rooms["delivered"] < 15 * rooms["acknowledged"]
    assert users["delivered"] == users["acknowledged"] > 100 and users["offline"] == 0
    assert connections(report) == {"wanted": 40, "reconnects": 0, "refused": 0, "ended": 0}
    assert 1.9 < report["seconds"] < 10 and report["latency_ms"]["ack"]["max"] > 0


@pytest.mark.parametrize("via", ["ws", "amqp"])
def test_as_fast_as_the_window_lets_it(n1, n2, grid, via):
    with bench([n1, n2], connections=4, rooms=1, rate=0, window=32, size=1000, via=via, duration=1,
               distribution="zipf", **amqp(grid)) as run:
        report = run.report()
    nothing_wrong(report)
    assert report["publishes"]["acknowledged"] > 200
    assert report["rooms"]["delivered"] == 4 * report["publishes"]["acknowledged"]


def test_a_person_gets_a_table(n1):
    with Bench(command([n1.url], connections=3, duration="200ms", rate=50, run="table")) as run:
        code, text = run.end()
    assert code == 0
    rows = [line.split()[0] for line in text.splitlines() if line[0] != " "]
    assert rows == ["run", "publishes", "rate", "rooms", "users", "ack", "delivery", "longest", "generator", "verdict"]
    assert "run         table, 0.2 s, 3 connections" in text and "nothing lost, nothing doubled" in text


def test_a_terminal_shows_how_it_goes(n1):
    ours, terminal = pty.openpty()
    words = command([n1.url], connections=3, duration="2s", json=True)
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: nobody holds the other end any more
            while piece := os.read(ours, 4096):
                shown += piece
        os.close(ours)
        json.loads(process.stdout.read())
    assert process.returncode == 0
    assert re.search(rb"publishing 1 s: 3 of 3 connections, \d+ published, \d+ acknowledged, \d+ received, 0 doubled"
                     rb"\r\x1b\[K", shown), shown
    # The steps stand on lines of their own.
    assert re.search(rb"\r\x1b\[Kgridbench: settling\r\n", shown), shown


def test_a_signal_ends_the_publishing(n1):
    with bench([n1], connections=3, duration="1h") as run:
        run.wait_step("publishing")
        run.stop()
        report = run.report()
    nothing_wrong(report)
    assert report["seconds"] < 60


def test_what_is_measured_begins_after_the_warm_up(n1):
    with bench([n1], connections=10, rooms=2, rate=300, hold="100ms", warm_up=1, duration=1,
               watch=f"node={n1.process.pid}") as run:
        for step in ("connected", "warming up", "publishing", "settling", "done"):
            run.wait_step(step)
        report = run.report()
    nothing_wrong(report)
    assert re.findall(r"^gridbench: (\w+)", run.log, re.M) == ["connected", "warming", "publishing", "settling", "done"]
    publishes, rooms = report["publishes"], report["rooms"]
    assert 0 < publishes["measured"] < publishes["attempted"] == publishes["acknowledged"]
    # The books are of both.
    assert rooms["delivered"] == rooms["expected"] == 5 * publishes["attempted"]
    assert 5 * publishes["measured"] <= report["deliveries"]["total"] < rooms["delivered"]
    process = report["processes"]["node"]
    assert process["cpu_us_per_delivery"] == pytest.approx(process["cpu_s"] * 1e6 / report["deliveries"]["total"],
                                                           rel=0.01)


def test_a_signal_in_the_warm_up_ends_it(n1):
    with bench([n1], connections=3, warm_up="1h") as run:
        run.wait_step("warming up")
        run.stop()
        report = run.report()
    nothing_wrong(report)
    assert 0 < report["seconds"] < 60


def test_nothing_is_published_while_it_holds(n1):
    with bench([n1], connections=3, hold="1h") as run:
        run.wait_step("connected")
        wait_for(lambda: n1.metric("grid_sessions") == 4)
        run.stop()
        code, output = run.end()
    assert (code, output) == (3, "") and "publishing" not in run.log


def test_a_watched_process_that_ends_is_named(n1):
    with subprocess.Popen(["sleep", "1000"]) as mortal:
        with bench([n1], connections=3, duration="1h", watch=f"mortal={mortal.pid}") as run:
            run.wait_step("publishing")
            mortal.kill()
            mortal.wait()
            run.stop()
            report = run.report()
    assert report["processes"] == {"mortal": None}
    assert "\ngridbench: watched mortal ended\n" in run.log


# Absent users


def test_what_waits_for_absent_users_is_found(n1, n2, grid):
    with bench([n1, n2], connections=10, users=20, via="both", publishers=2, to="users", rate=300, duration=2,
               persistent=True, **amqp(grid), **offline_of(grid)) as run:
        report = run.report()
    nothing_wrong(report)
    users = report["users"]
    assert users["acknowledged"] == users["delivered"] + users["offline"] and users["both"] == 0
    assert 0.3 < users["offline"] / users["acknowledged"] < 0.7


def test_without_a_look_into_the_offline_queue_it_is_lost(n1, offline):
    with bench([n1], connections=2, users=4, to="users", rate=100, duration=1, settle=1, examples=1) as run:
        report = run.report(expect=1)
    users = report["users"]
    assert users["offline"] == 0 and users["lost"] == users["acknowledged"] - users["delivered"] > 0
    assert re.search(rf"^gridbench: lost run={report['run']} publisher=0 number=0 "
                     rf"user=bench-{report['run']}-[23] session=none$", run.log, re.M), run.log
    assert len(offline.take_all()) == users["lost"]


def test_messages_of_others_stay_in_the_offline_queue(n1, grid, backend, offline):
    backend.to_user("somebody-else", b"1")
    with bench([n1], connections=1, users=2, to="users", rate=100, duration=1, **offline_of(grid)) as run:
        run.wait_step("publishing")
        backend.to_user("somebody-else", b"2")
        report = run.report()
    assert report["users"]["offline"] > 0
    kept = []
    wait_for(lambda: kept.extend(offline.take_all()) or len(kept) >= 2, what="both are back in the queue")
    assert sorted((key, body) for key, _, body in kept) == [("user.somebody-else", b"1"), ("user.somebody-else", b"2")]


# A checker that cannot fail is no checker


class Tamper:
    """Does something to the `at`-th push of its op."""

    def __init__(self, what, op="message", at=20):
        self.what, self.op, self.at = what, op, at
        self.seen, self.held, self.done = 0, [], None

    def __call__(self, text):
        frame = json.loads(text)
        if frame["op"] != self.op or self.done:
            return [text]
        self.seen += 1
        if self.seen < self.at:
            return [text]
        return self.what(self, text, frame)

    def drop(self, _, frame):
        self.done = frame
        return []

    def double(self, text, frame):
        self.done = frame
        return [text, text]

    def swap(self, text, frame):
        """With the next one, which must be of the same publisher to the same room."""
        if not self.held:
            self.held = [text]
            return []
        self.done = json.loads(self.held[0])
        return [text, *self.held]

    def move(self, text, frame):
        """To another room."""
        self.done = frame
        return [text.replace('"room":"', '"room":"x', 1)]


def tampered(n1, what, expect, *, op="message", to="rooms", **options):
    """A run of one receiver behind a proxy that tampers once; its report, and the frame that was tampered with."""
    tamper = Tamper(what, op)
    with TamperingProxy(n1, tamper) as proxy, \
            bench([proxy], connections=1, rooms=1, to=to, rate=100, duration=1, settle=1, examples=5, **options) as run:
        report = run.report(expect=expect)
    assert tamper.done, "nothing was tampered with"
    data = tamper.done["data"]
    place = f"room=bench-{report['run']}.0" if op == "message" else f"user=bench-{report['run']}-0"
    return report, run.log, f"run={report['run']} publisher={int(data['p'])} number={int(data['n'])} {place}"


@pytest.mark.parametrize("op, kind", [("message", "rooms"), ("notify", "users")])
@pytest.mark.parametrize("what, finding, expect", [(Tamper.drop, "lost", 1), (Tamper.double, "doubled", 1),
                                                   (Tamper.swap, "disordered", 0)])
def test_what_a_proxy_does_to_one_message_is_found(n1, op, kind, what, finding, expect):
    report, log, name = tampered(n1, what, expect, op=op, to=kind)
    found = {name: report[kind][name] for name in ("lost", "doubled", "disordered")}
    assert found == {**dict.fromkeys(found, 0), finding: 1}
    assert len(re.findall(rf"^gridbench: {finding} {re.escape(name)} session=(?:01|none)", log, re.M)) == 1, log
    assert report["misrouted"] == 0


def test_a_message_in_the_wrong_room_is_found(n1):
    report, log, name = tampered(n1, Tamper.move, 1)
    assert (report["misrouted"], report["rooms"]["lost"], report["rooms"]["doubled"]) == (1, 1, 0)
    assert f"gridbench: misrouted {name}" in log


def test_an_acknowledgement_that_never_comes_is_unknown(n1):
    dropped = []

    def tamper(text):
        if '"op":"ok"' in text and '"ts"' in text and not dropped:
            dropped.append(text)
            return []
        return [text]
    with TamperingProxy(n1, tamper) as proxy, bench([proxy], connections=1, rooms=1, duration=1, settle=1) as run:
        report = run.report()
    assert len(dropped) == 1
    assert (report["publishes"]["unknown"], report["rooms"]["unacknowledged_delivered"]) == (1, 1)


# Connections that are lost


def test_clients_of_a_killed_node_go_to_the_other_one(nodes, n1, grid):
    victim = nodes.on(grid, SETTINGS)
    with bench([n1, victim], connections=40, rooms=4, publishers=2, to="both", rate=200, duration=8, settle=5,
               **offline_of(grid)) as run:
        run.wait_step("publishing")
        wait_for(lambda: victim.metric("grid_sessions") == 21)  # and one publisher
        victim.kill()
        wait_for(lambda: n1.metric("grid_sessions") == 42, timeout=60)
        # Notifications in the dead node's queue are nowhere until their time is over; rooms must be whole.
        code, output = run.end()
    report = json.loads(output)
    assert code in (0, 1)
    # Those who publish are no sessions that receive.
    assert connections(report) == {"wanted": 40, "reconnects": 21, "refused": 0, "ended": 20}
    assert report["rooms"]["lost"] == 0, report
    assert report["publishes"]["acknowledged"] > 500
    assert n1.metric("grid_sessions") == 0


def test_a_pinned_client_waits_for_its_node(nodes, n1, grid):
    node = nodes.on(grid, SETTINGS)
    with bench([n1, node], connections=4, publishers=0, pin=True, duration="1h", settle=1) as run:
        run.wait_step("publishing")
        node.kill()
        node.start()
        wait_for(lambda: node.metric("grid_sessions") == 2, timeout=60)
        run.stop()
        report = run.report()
    assert report["connections"]["reconnects"] == 2


def test_a_restarting_node_is_left_as_it_asks(nodes, n1, grid):
    node = nodes.on(grid, SETTINGS)
    with bench([node, n1], connections=10, publishers=0, duration="1h", settle=1) as run:
        run.wait_step("publishing")
        assert node.stop() == 0
        wait_for(lambda: n1.metric("grid_sessions") == 10, timeout=60)
        run.stop()
        report = run.report()
    assert connections(report) == {"wanted": 10, "reconnects": 5, "refused": 0, "ended": 5}


def test_publishes_on_a_cut_link_are_unknown_and_go_on_afterwards(n1, grid):
    with Proxy((grid.broker.host, grid.broker.amqp_port)) as proxy:
        uri = grid.amqp_uri("publisher").replace(f":{grid.broker.amqp_port}/", f":{proxy.port}/")
        with bench([n1], connections=2, rooms=1, via="amqp", amqp=uri, rate=200, duration="1h") as run:
            run.wait_step("publishing")
            proxy.freeze()
            proxy.cut()
            proxy.thaw()
            wait_for(lambda: proxy.accepted >= 2 and proxy.connections == 1, timeout=60)
            acknowledged = n1.metric("grid_rabbitmq_deliveries_total")
            wait_for(lambda: n1.metric("grid_rabbitmq_deliveries_total") > acknowledged + 50, timeout=60)
            run.stop()
            report = run.report()
    nothing_wrong(report)
    assert report["publishes"]["longest_ack_gap_ms"] > 100


# What it says when it cannot


def fails(words, code, *said):
    done = subprocess.run(list(map(str, words)), text=True, capture_output=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (code, ""), done.stdout + done.stderr
    for text in said:
        assert text in done.stderr, done.stderr
    return done.stderr


def test_a_port_where_nobody_listens():
    port = free_port()
    fails(command([f"ws://127.0.0.1:{port}/ws"]), 3, f"cannot connect to ws://127.0.0.1:{port}/ws: Connection refused",
          "scripts/run starts one")


def test_what_is_no_websocket(n1):
    fails(command([n1.url.replace("/ws", "/other")], connect_timeout="1s"), 3, "HTTP status 404")


def test_a_broker_that_does_not_let_it_in(n1, grid):
    uri = grid.amqp_uri("publisher").replace(grid.password("publisher"), "wrong")
    said = fails(command([n1.url], via="amqp", amqp=uri, connect_timeout="2s"), 3, "cannot connect to the broker at")
    assert "wrong" not in said
    # The account of publishers may not read the queue.
    fails(command([n1.url], offline=grid.amqp_uri("publisher"), connect_timeout="2s"), 3, "ACCESS_REFUSED")


@pytest.mark.parametrize("arguments, said", [
    (["--rat", "1"], "gridbench: --rat: no such option; the nearest is rate; see gridbench --help\n"),
    (["--url", "http://x/"], "gridbench: --url: expected ws://host:port/path, got http://x/\n"),
    (["--url", "ws://no.such.invalid/ws"], "gridbench: --url: ws://no.such.invalid/ws: "),
    (["--sources", "nowhere"], "gridbench: --sources: nowhere is no IPv4 address"),
    (["--via", "amqp", "--amqp", "http://x"], "gridbench: --amqp, --offline: expected amqp://"),
])
def test_a_wrong_command_line(arguments, said):
    assert fails([GRIDBENCH, *arguments], 2).startswith(said)


def test_two_signals_end_everything(n1):
    with bench([n1], connections=1, duration="1h") as run:
        run.wait_step("publishing")
        run.stop()
        run.wait_step("settling")
        run.process.send_signal(signal.SIGINT)
        code, output = run.end()
    assert (code, output) == (3, "") and "Interrupted" in run.log


# What people are told to type


def documented():
    """Every gridbench command of --help and the documents."""
    page = subprocess.run([GRIDBENCH, "--help"], text=True, capture_output=True, timeout=30, check=True).stdout
    page = page[page.index("Examples"):]
    found = [re.split(r"  +", line)[0] for line in PROGRAM.findall(page)]
    text = (ROOT / "docs" / "gridbench.md").read_text()
    return list(dict.fromkeys(found + PROGRAM.findall(text)))


def test_there_are_examples():
    assert len(documented()) >= 6


@pytest.mark.parametrize("example", documented())
def test_examples(n1, n2, grid, tmp_path, example):
    (tmp_path / "chat.scenario").write_text("# four people in two rooms\nconnections 4\nusers 4\nrooms 2\n")
    here = example.replace("127.0.0.1:5210", f"{n1.host}:{n1.port}").replace("127.0.0.1:5211", f"{n2.host}:{n2.port}")
    here = re.sub(r"(--connections) \d{4,}", r"\1 100", here)  # this machine does other things as well
    words = shlex.split(here.replace('"$GRID_WORKER_URI"', grid.amqp_uri("worker")))
    words[0] = str(GRIDBENCH)
    if "--url" not in words:
        words += ["--url", n1.url]
    words += ["--duration", "1", "--settle", "20", "--json"]
    done = subprocess.run(words, text=True, capture_output=True, timeout=120, check=False, cwd=tmp_path,
                          stdin=subprocess.DEVNULL, env={"GRID_AMQP_URI": grid.amqp_uri("publisher")})
    assert done.returncode == 0, f"{example}\n{done.stdout}{done.stderr}"
    assert json.loads(done.stdout)["publishes"]["acknowledged"] > 0


# Websockets as no node of ours sends them


def in_pieces(payload):
    """A text frame in three fragments, with a ping before the last one."""
    third = len(payload) // 3
    return (frame(payload[:third], TEXT, fin=False, masked=False) +
            frame(payload[third:2 * third], CONTINUATION, fin=False, masked=False) +
            frame(b"still there?", PING, masked=False) + frame(payload[2 * third:], CONTINUATION, masked=False))


def test_fragments_and_pings(n1):
    with TamperingProxy(n1, lambda text: [text], in_pieces) as proxy, \
            bench([proxy], connections=2, rooms=1, to="both", size=300, duration=1) as run:
        report = run.report()
    nothing_wrong(report)
    assert report["rooms"]["delivered"] == 2 * report["rooms"]["acknowledged"] > 0
    assert proxy.pongs > report["rooms"]["delivered"]


def test_garbage_ends_the_connection_and_it_comes_back(n1):
    done = []

    def broken_once(payload):
        if b'"n":"0000000000000030"' in payload and not done:
            done.append(payload)
            return b"\xff\xff\xff\xff"
        return frame(payload, TEXT, masked=False)
    with TamperingProxy(n1, lambda text: [text], broken_once) as proxy, \
            bench([proxy], connections=1, publishers=1, rooms=1, duration=3) as run:
        report = run.report(expect=0)
    assert len(done) == 1 and report["connections"]["reconnects"] == 1
    assert report["rooms"]["lost"] == 0
