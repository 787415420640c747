"""scripts/run: what a newcomer types, from the first start to Ctrl-C."""

import contextlib
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import termios
import urllib.request

import pytest

from gridtest.util import ROOT, free_port, wait_for

RUN = ROOT / "scripts" / "run"
EPHEMERAL = 32768  # from here on, unless somebody has set net.ipv4.ip_local_port_range


class Run:
    """A folder and a base port of its own for scripts/run."""

    def __init__(self, folder):
        self.folder = folder / "run"
        self.port = self.free_base()
        self.process = None
        self.environment = {**os.environ, "GRID_RUN_DIR": str(self.folder)}

    @staticmethod
    def free_base():
        """nginx, nodes, admin and broker ports of scripts/run all follow from one, and none of them may be one that an
        outgoing connection takes meanwhile."""
        def free(port):
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return True
            return False
        offsets = (0, 10, 11, 72, 79, 1010, 1011, 10072)
        for _ in range(1000):
            base = free_port()
            if base + max(offsets) < EPHEMERAL and all(free(base + offset) for offset in offsets):
                return base
        raise RuntimeError("no free ports")

    def __call__(self, *arguments):
        """Runs it to its end; (exit status, everything it printed)."""
        done = subprocess.run([RUN, "--port", str(self.port), *arguments], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        return done.returncode, done.stdout

    def start(self, *arguments):
        """In the foreground of a terminal, until it says that it is ready."""
        self.terminal, inside = pty.openpty()
        self.process = subprocess.Popen([RUN, "--port", str(self.port), *arguments], env=self.environment,
                                        stdin=inside, stdout=inside, stderr=inside, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(inside)
        self.said = ""
        self.read_until("Ctrl-C stops everything")

    def read_until(self, text, timeout=240):
        def read():
            with contextlib.suppress(OSError):  # the terminal ends with the process
                self.said += os.read(self.terminal, 4096).decode()
            return text in self.said or self.process.poll() is not None
        wait_for(read, timeout, what=f"scripts/run saying {text!r}; it said: {self.said}")
        assert text in self.said, self.said

    def env(self):
        """What `. env` gives a shell."""
        shown = subprocess.run(["bash", "-c", f". {shlex.quote(str(self.folder / 'env'))} && env -0"], text=True,
                               env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, check=True).stdout
        return dict(line.split("=", 1) for line in shown.split("\0") if line.startswith("GRID_"))

    def pids(self):
        return {name: int(pid) for name, pid in (pair.split("=") for pair in self.env()["GRID_PIDS"].split())}


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path)
    yield run
    status, said = run("--stop")
    if run.process:
        run.process.wait(60)
        os.close(run.terminal)
    assert status == 0, said


def alive(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def test_a_grid_from_start_to_ctrl_c(run):
    run.start()
    pids, env = run.pids(), run.env()
    assert set(pids) == {"rabbitmq", "nginx", "n1", "n2"}
    assert all(map(alive, pids.values()))
    assert env["GRID_URL"] == f"ws://127.0.0.1:{run.port}/ws"
    assert len(env["GRID_NODES"].split()) == len(env["GRID_ADMIN"].split()) == 2
    for admin in env["GRID_ADMIN"].split():
        get(admin + "/readyz")
    assert "<title>Grid Notify</title>" in get(f"http://127.0.0.1:{run.port}/")
    assert [node["id"] for node in json.loads(get(f"http://127.0.0.1:{run.port}/nodes.json"))["nodes"]] == ["n1", "n2"]

    try_what_it_printed(run)
    second_start_says_so(run)
    password_is_in_no_argument(run, pids)
    killed_node_is_told(run, pids)

    os.write(run.terminal, b"\x03")
    assert run.process.wait(60) == 0
    wait_for(lambda: not any(map(alive, pids.values())), what="everything stopped")
    assert not (run.folder / "env").exists()


def try_what_it_printed(run):
    """The two command lines under “Three things to try”, as they stand there."""
    said = run.said.replace("\r\n", "\n")
    commands = re.findall(r"^       (\S.*)$", said, re.M)
    assert [re.split(r"[ /]", command.split(" -")[0])[-1] for command in commands] == ["rabbitmqadmin", "amqp-publish"]
    for command in commands:
        done = subprocess.run(command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        assert "NOT routed" not in done.stdout


def second_start_says_so(run):
    status, said = run()
    assert status == 0
    assert "running already" in said


def password_is_in_no_argument(run, pids):
    password = (run.folder / "node-password").read_text().strip()
    assert len(password) > 10
    for pid in pids.values():
        with open(f"/proc/{pid}/cmdline") as command:
            assert password not in command.read()
    for name in ("env", "passwords", "node-password", "rabbitmqadmin.conf"):
        assert (run.folder / name).stat().st_mode & 0o077 == 0, name


def killed_node_is_told(run, pids):
    os.kill(pids["n2"], signal.SIGKILL)
    run.read_until("n2 has ended (killed by SIGKILL); the others go on")
    assert alive(pids["n1"]) and alive(pids["nginx"]) and alive(pids["rabbitmq"])


def test_a_grid_on_redis(run):
    run.start("--driver", "redis")
    pids, env = run.pids(), run.env()
    assert set(pids) == {"redis", "nginx", "n1", "n2"}
    for admin in env["GRID_ADMIN"].split():
        get(admin + "/readyz")
    said = run.said.replace("\r\n", "\n")
    commands = re.findall(r"^       (\S.*)$", said, re.M)
    outputs = [subprocess.run(f". {run.folder}/env; {command}", shell=True, text=True, check=True,
                              stdout=subprocess.PIPE).stdout for command in commands]
    assert outputs[0] == "0\n"  # user 42 is not here
    assert outputs[1].count("grid.nodes:node.n") == 2
    assert len(outputs) == 3
    for name in ("password", "secret"):
        secret = (run.folder / "redis" / name).read_text()
        assert len(secret) == 48
        for pid in pids.values():
            with open(f"/proc/{pid}/cmdline") as command:
                assert secret not in command.read()
    os.kill(pids["redis"], signal.SIGKILL)
    run.read_until("redis has ended (killed by SIGKILL); the others go on")
    os.write(run.terminal, b"\x03")
    assert run.process.wait(60) == 0
    wait_for(lambda: not any(map(alive, pids.values())), what="everything stopped")


def test_a_grid_on_rabbitmq_with_redis_behind_it(run):
    run.start("--fallback", "redis")
    pids, env = run.pids(), run.env()
    assert set(pids) == {"rabbitmq", "redis", "nginx", "n1", "n2"}
    assert env["GRID_AMQP_URI"] and env["GRID_REDIS_URI"]
    ask_redis = ["redis-cli", "-u", env["GRID_REDIS_URI"], "--no-auth-warning", "pubsub", "numsub", "grid.nodes:all"]
    assert subprocess.check_output(ask_redis, text=True) == "grid.nodes:all\n2\n"

    def ways():
        return {get(admin + "/readyz") for admin in env["GRID_ADMIN"].split()}
    wait_for(lambda: ways() == {"ready: primary\n"}, 30)
    os.kill(pids["rabbitmq"], signal.SIGKILL)
    run.read_until("RabbitMQ has ended")
    wait_for(lambda: ways() == {"ready: fallback\n"}, 30)
    os.write(run.terminal, b"\x03")
    assert run.process.wait(60) == 0
    wait_for(lambda: not any(map(alive, pids.values())), what="everything stopped")


def test_detached_and_stopped(run):
    status, said = run("--driver", "local", "--detach", "--set", "heartbeat.interval=9s")
    assert status == 0, said
    pids = run.pids()
    assert set(pids) == {"nginx", "n1"}
    assert all(map(alive, pids.values()))
    with open(f"/proc/{pids['n1']}/cmdline") as command:
        assert "heartbeat.interval=9s" in command.read()
    status, said = run("--stop")
    assert (status, said) == (0, "Stopped.\n")
    assert not any(map(alive, pids.values()))
    assert run("--stop") == (0, "Nothing is running.\n")


def test_what_an_unfinished_run_left_is_cleared_away(run):
    assert run("--driver", "local", "--detach")[0] == 0
    pids = run.pids()
    (run.folder / "env").unlink()  # as if it had been killed before it was done
    status, said = run("--driver", "local", "--detach")
    assert status == 0, said
    assert "left behind" in said
    assert not any(map(alive, pids.values()))


def test_taken_port_is_named_before_anything_starts(run):
    with socket.create_server(("127.0.0.1", run.port + 11)):
        status, said = run("--detach")
    assert status == 1
    assert f"port {run.port + 11}, wanted for node n2, is taken" in said
    assert f"--port {run.port + 200}" in said
    assert "Starting" not in said


def test_node_that_cannot_start_stops_the_rest_and_shows_why(run):
    status, said = run("--driver", "local", "--detach", "--set", "limits.frame=1")
    assert status == 1
    assert "limits.frame" in said
    assert "node n1 has ended" in said
    assert not (run.folder / "env").exists()


@pytest.mark.parametrize("arguments, word", [
    (["--nodes", "0"], "--nodes"), (["--nodes", "x"], "--nodes"), (["--port", "80"], "--port"),
    (["--driver", "kafka"], "--driver"), (["--fallback", "local"], "--fallback"),
    (["--driver", "redis", "--fallback", "redis"], "--fallback redis is behind"), (["--driver", "redis", "--broker", "amqp://h"], "--broker"), (["--driver", "local", "--nodes", "2"], "--nodes 2 makes no sense"),
    (["--broker", "http://x"], "--broker wants"), (["--set", "x"], "--set wants"), (["--what"], "--what")])
def test_wrong_option_is_named(run, arguments, word):
    status, said = run(*arguments)
    assert status == 2
    assert word in said


def test_existing_broker(run, grid):
    """Nodes on a broker somebody else provisioned, and the same where nobody did."""
    status, said = run("--detach", "--broker", grid.amqp_uri("node"))
    assert status == 0, said
    assert set(run.pids()) == {"nginx", "n1", "n2"}
    assert run("--stop")[0] == 0
    grid.broker.api("PUT", "vhosts", "bare", body={})
    try:
        grid.broker.api("PUT", "permissions", "bare", grid.account("node"),
                        body={"configure": ".*", "write": ".*", "read": ".*"})
        status, said = run("--detach", "--broker", grid.amqp_uri("node").rsplit("/", 1)[0] + "/bare")
        assert status == 1
        assert "scripts/provision" in said
    finally:
        grid.broker.api("DELETE", "vhosts", "bare")


def test_broker_that_is_not_there(run):
    status, said = run("--detach", "--broker", f"amqp://u:p@127.0.0.1:{free_port()}/grid")
    assert status == 1
    assert "no broker answers at 127.0.0.1:" in said
