"""gridnode as a process: command line, configuration, start, the two ways to stop, exit codes."""
import asyncio
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import time

import pytest
import websockets

GRIDNODE = os.environ["GRIDNODE"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE = 20
SANITIZER = ("AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:")


def environment(**extra):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GRIDNODE")}
    return {**clean, **extra}


def gridnode(*arguments, **env):
    """Runs it to its end."""
    done = subprocess.run([GRIDNODE, *arguments], env=environment(**env), capture_output=True, text=True,
                          timeout=DEADLINE, check=False)
    assert not any(word in done.stderr for word in SANITIZER), done.stderr
    return done


def free_ports():
    """A port for clients, and one for operators."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


class Node:
    """A running node, and what it has logged."""

    def __init__(self, *arguments):
        self.port, admin = free_ports()
        self.log = ""
        self.process = subprocess.Popen(
            [GRIDNODE, "--driver", "local", "--port", str(self.port), "--set", f"admin.port={admin}", *arguments],
            env=environment(), stderr=subprocess.PIPE)
        os.set_blocking(self.process.stderr.fileno(), False)

    def read(self, seconds):
        """What it logs next; False at the end of the log."""
        select.select([self.process.stderr], [], [], seconds)
        piece = self.process.stderr.read()
        self.log += (piece or b"").decode()
        return piece != b""

    def logged(self, text):
        """Waits until it has logged this."""
        end = time.monotonic() + DEADLINE
        while text not in self.log:
            more = self.read(max(0, end - time.monotonic()))
            assert (more or text in self.log) and time.monotonic() < end, f"no {text!r} in:\n{self.log}"

    def signal(self, number):
        self.process.send_signal(number)

    def ended(self):
        """Its exit code. No sanitizer may have said anything."""
        code = self.process.wait(DEADLINE)
        while self.read(0):
            pass
        assert not any(word in self.log for word in SANITIZER), self.log
        return code

    def url(self, user):
        return f"ws://127.0.0.1:{self.port}/ws?user={user}"


@pytest.fixture(name="node")
def fixture_node():
    node = Node("--node-id", "n1")
    yield node
    if node.process.poll() is None:
        node.process.kill()
        node.process.wait(DEADLINE)
    node.process.stderr.close()


def events(log):
    return [line.split(" ")[2] for line in log.splitlines() if len(line.split(" ")) > 2]


def test_help_and_version():
    done = gridnode("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert "Usage: gridnode" in done.stdout and "bus.rabbitmq.heartbeat = 10s" in done.stdout
    done = gridnode("--version")
    assert done.returncode == 0 and done.stdout.startswith("gridnode ")


@pytest.mark.parametrize("arguments, env, said", [
    (["--prot", "1"], {}, 'gridnode: unknown option "--prot"; the nearest is --port; see gridnode --help\n'),
    (["--driver", "kafka"], {}, '--driver: bus.driver: expected one of local|rabbitmq|redis, got "kafka"\n'),
    (["--driver", "local"], {"GRIDNODE_BUS_DRIVR": "local"},
     "environment: GRIDNODE_BUS_DRIVR: no such option; the nearest is GRIDNODE_BUS_DRIVER\n"),
    ([], {"GRIDNODE_LISTEN_PORT": "0"},
     'GRIDNODE_LISTEN_PORT: listen.port: expected a number from 1 to 65535, got "0"\n'),
    (["-c", "/no/such/file"], {}, "/no/such/file: No such file or directory\n"),
])
def test_what_is_wrong_is_said_before_anything_opens(arguments, env, said):
    done = gridnode(*arguments, **env)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_a_wrong_file_is_named_with_its_line(tmp_path):
    path = tmp_path / "g.conf"
    path.write_text('bus:\n{\n\tdriver = "kafka";\n};\n')
    for flags in [[], ["--check-config"], ["--print-config"]]:
        done = gridnode("-c", str(path), *flags)
        assert done.returncode == 2
        assert done.stderr == f'{path}:3: bus.driver: expected one of local|rabbitmq|redis, got "kafka"\n'


def test_check_and_print_config():
    sample = str(ROOT / "conf" / "gridnode.conf")
    done = gridnode("-c", sample, "--check-config")
    assert (done.returncode, done.stdout) == (0, f"{sample}: ok\n")
    done = gridnode("-c", sample, "--print-config", "--port", "7000", GRIDNODE_BUS_RABBITMQ_PASSWORD="hunter2")
    assert done.returncode == 0
    assert "listen.port = 7000\nlisten.trusted_proxies = " in done.stdout
    assert "bus.rabbitmq.password = ***\n" in done.stdout and "hunter2" not in done.stdout


def test_output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([GRIDNODE, "--help"], stdout=full, timeout=DEADLINE, check=False)
    assert done.returncode == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_at_once_when_nobody_is_there(node, number):
    node.logged("node.ready")
    node.signal(number)
    assert node.ended() == 0
    assert [e for e in events(node.log) if e.startswith("node.")] == [
        "node.started", "node.listening", "node.ready", "node.stopping", "node.stopped"]
    assert "warn auth.none" in node.log


def test_tells_its_clients_when_it_stops(node):
    async def scenario():
        async with websockets.connect(node.url(7), subprotocols=["grid.v1.json"]) as client:
            assert json.loads(await client.recv())["op"] == "welcome"
            node.signal(signal.SIGTERM)
            bye = json.loads(await client.recv())
            assert bye["op"] == "bye" and bye["code"] == "drain"
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.code == 1012

    node.logged("node.ready")
    asyncio.run(asyncio.wait_for(scenario(), DEADLINE))
    assert node.ended() == 0


async def mute_client(node):
    """A websocket that reads the handshake's answer and then nothing, so that the node has to wait for it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(b"GET /ws?user=7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    await reader.readuntil(b'"op":"welcome"')
    return writer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(node, number):
    async def scenario():
        writer = await mute_client(node)
        node.signal(signal.SIGTERM)
        await asyncio.to_thread(node.logged, "node.stopping")
        node.signal(number)
        code = await asyncio.to_thread(node.ended)
        writer.close()
        return code

    node.logged("node.ready")
    assert asyncio.run(asyncio.wait_for(scenario(), DEADLINE)) == 128 + number
    assert "node.stopped" not in node.log


def test_does_not_wait_for_ever_for_a_mute_client(node):
    async def scenario():
        writer = await mute_client(node)
        started = time.monotonic()
        node.signal(signal.SIGTERM)
        code = await asyncio.to_thread(node.ended)
        writer.close()
        return code, time.monotonic() - started

    node.logged("node.ready")
    code, seconds = asyncio.run(asyncio.wait_for(scenario(), DEADLINE))
    assert code == 0 and seconds < 10


def test_hangup_is_logged_and_does_nothing(node):
    node.logged("node.ready")
    node.signal(signal.SIGHUP)
    node.logged("node.signal_ignored signal=SIGHUP")
    node.signal(signal.SIGTERM)
    assert node.ended() == 0


def test_a_taken_port_is_one_clear_line_and_exit_1(node):
    node.logged("node.listening")
    done = gridnode("--driver", "local", "--port", str(node.port), "--set", f"admin.port={free_ports()[1]}")
    assert done.returncode == 1
    assert len([line for line in done.stderr.splitlines() if line.startswith("gridnode: ")]) == 1
    assert f"port {node.port}" in done.stderr
    node.signal(signal.SIGTERM)
    assert node.ended() == 0


def test_a_secret_on_the_command_line_is_warned_about(node):
    other = Node("--set", "bus.rabbitmq.password=hunter2")
    other.logged("warn config.warning")
    other.logged("node.ready")
    other.signal(signal.SIGTERM)
    assert other.ended() == 0
    other.process.stderr.close()
    assert "hunter2" not in other.log
    node.logged("node.ready")
    assert "config.warning" not in node.log
