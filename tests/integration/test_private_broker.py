"""scripts/lib/private-broker: a broker that shares nothing, and leaves nothing running."""

import concurrent.futures
import os
import pathlib
import signal
import subprocess

import pytest

from gridtest.broker import PRIVATE_BROKER, Broker
from gridtest.util import free_port, wait_for


def call(*arguments):
    return subprocess.run([PRIVATE_BROKER, *map(str, arguments)], text=True, capture_output=True, timeout=120,
                          stdin=subprocess.DEVNULL)


def test_a_port_of_erlangs_that_is_gone_is_not_the_end(tmp_path):
    """It is chosen by us, and taken by Erlang some seconds later."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    real = pathlib.Path(os.environ.get("GRID_RABBITMQ_BIN", "/usr/lib/rabbitmq/bin"))
    for other in real.iterdir():
        if other.name != "rabbitmq-server":
            (binaries / other.name).symlink_to(other)
    server = binaries / "rabbitmq-server"
    server.write_text(f"""#!/bin/bash
if mkdir {tmp_path}/tried 2>/dev/null; then
    echo 'reason: {{dist_port_already_used,20808,not_erlang,"localhost"}}'
    exit 1
fi
exec {real}/rabbitmq-server
""")
    server.chmod(0o755)
    ports = free_port(), free_port()
    environment = {**os.environ, "GRID_RABBITMQ_BIN": str(binaries)}
    try:
        started = subprocess.run([PRIVATE_BROKER, "start", tmp_path / "own", "--amqp-port", str(ports[0]), "--management-port",
                                  str(ports[1])], text=True, capture_output=True, timeout=120, env=environment, check=False)
        assert started.returncode == 0, started.stderr
        assert (tmp_path / "tried").is_dir()
        assert call("status", tmp_path / "own").returncode == 0
    finally:
        call("stop", tmp_path / "own")


def processes_of(folder):
    """pids whose command line or environment names the folder."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if f"{folder}/".encode() in text:
            found.append(int(process.name))
    return found


def listening():
    """One line for each listening socket, with the pid."""
    return subprocess.run(["ss", "-Hltnp"], text=True, capture_output=True, check=True).stdout.splitlines()


def connected(port):
    """Connections to a port of this machine."""
    return subprocess.run(["ss", "-Htn", f"dport = {port}"], text=True, capture_output=True, check=True).stdout


def start_beside_one_that_dies(own):
    """Frozen it looks alive to start, which then waits for an answer; so does, for a moment, one that was just killed."""
    os.kill(own.pid, signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        started = threads.submit(own.start)
        wait_for(lambda: connected(own.amqp_port), what="start has found it")
        os.kill(own.pid, signal.SIGKILL)
        started.result(180)


def test_life(tmp_path):
    own = Broker(tmp_path / "own")
    try:
        own.start()
        assert call("status", own.folder).stdout.startswith(f"running pid={own.pid} amqp={own.amqp_port} ")
        assert (own.folder / "admin-password").stat().st_mode & 0o777 == 0o600
        assert [user["name"] for user in own.api("GET", "users")] == ["grid-admin"]
        sockets = [line for line in listening() if f"pid={own.pid}," in line]
        assert len(sockets) == 3 and all("127.0.0.1:" in line.split()[3] for line in sockets), sockets
        own.api("PUT", "vhosts", "kept")

        pid = own.pid
        own.start()  # running already: nothing happens
        assert own.pid == pid
        own.kill()
        assert call("status", own.folder).returncode == 3
        own.start()  # at once: killed means that its ports are free
        os.kill(own.pid, signal.SIGKILL)  # by somebody else
        own.start()
        start_beside_one_that_dies(own)
        assert own.pid != pid
        assert own.api("GET", "vhosts", "kept")
    finally:
        own.stop()
    assert call("status", own.folder).stdout == "stopped\n"
    wait_for(lambda: not processes_of(own.folder), what="all processes gone")
    own.stop()


def test_taken_port(broker, tmp_path):
    done = call("start", tmp_path / "x", "--amqp-port", broker.amqp_port, "--management-port", 29999)
    assert done.returncode == 1
    assert done.stderr.startswith(f"private-broker: port {broker.amqp_port} is taken")
    assert not processes_of(tmp_path / "x")


def test_broken_start_shows_the_log(tmp_path):
    folder = tmp_path / "x"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "advanced.config").write_text("no Erlang term")
    own = Broker(folder)
    done = call("start", folder, "--amqp-port", own.amqp_port, "--management-port", own.management_port)
    assert done.returncode == 1
    assert "did not start" in done.stderr
    assert "failed_to_read_advanced_configuration_file" in done.stderr
    assert not processes_of(folder)


@pytest.mark.parametrize("arguments", [(), ("start",), ("frob", "/tmp"), ("start", "/nonexistent/x"),
                                       ("stop", "/nonexistent", "x")], ids=" ".join)
def test_usage(arguments):
    done = call(*arguments)
    assert done.returncode == 2
    assert "usage: private-broker" in done.stderr
