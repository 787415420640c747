"""Real gridnode processes on free ports. Each one must end with the exit code it should, and without a word of a
sanitizer in its log."""

import http.client
import itertools
import os
import pathlib
import re
import signal
import socket
import subprocess

from .util import ROOT, free_port, wait_for

GRIDNODE = pathlib.Path(os.environ.get("GRIDNODE", ROOT / "build" / "dev" / "gridnode"))
SANITIZER = re.compile(r"^.*(?:AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:).*$", re.M)
PORT_TAKEN = "the port is taken"

_numbers = itertools.count(1)


def clean_environment(more=None):
    """This process' environment without what would configure a node, and with `more`."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GRIDNODE")}
    return {**mine, **{name: str(value) for name, value in (more or {}).items()}}


def run_gridnode(*arguments, environment=None, timeout=30):
    """For what ends by itself: the finished process."""
    return subprocess.run([GRIDNODE, *map(str, arguments)], text=True, capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, env=clean_environment(environment))


class Node:
    """One gridnode process. Keeps ports and node id over stop and start; its log goes on in the same file."""

    def __init__(self, folder, settings, arguments=(), environment=None):
        self.settings = dict(settings)
        self.id = self.settings["node.id"]
        self.host = "127.0.0.1"
        self.port = free_port()
        self.admin_port = free_port()
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.log_path = folder / f"{self.id}.log"
        self.process = None
        self.exit_codes = {0}  # the ones that are fine when the test is over

    @property
    def url(self):
        return f"ws://{self.host}:{self.port}/ws"

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def command(self):
        settings = {"listen.port": self.port, "admin.port": self.admin_port, **self.settings}
        pairs = [argument for name, value in settings.items() for argument in ("--set", f"{name}={value}")]
        return [GRIDNODE, *map(str, self.arguments), *pairs]

    def spawn(self):
        """Starts it without waiting for anything."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=clean_environment(self.environment))
        return self

    def start(self, timeout=60):
        """Starts it and waits until it is ready."""
        self.spawn()
        try:
            self.wait_ready(timeout)
        except AssertionError:
            if PORT_TAKEN not in self.log:
                raise
            # Somebody was faster between free_port() and here.
            self.port, self.admin_port = free_port(), free_port()
            self.log_path.unlink()
            self.spawn().wait_ready(timeout)
        return self

    def wait_ready(self, timeout=60):
        wait_for(lambda: self.ready() or self._ended(), timeout, f"{self.id} ready")
        assert self.process.poll() is None, f"{self.id} has ended with {self.process.returncode}:\n{self.log}"

    def wait_log(self, pattern, timeout=30, start=0):
        """Waits for a line that matches, in what was logged from character `start` on; the match."""
        return wait_for(lambda: re.search(pattern, self.log[start:]), timeout, f"{self.id} logs {pattern!r}")

    def _ended(self):
        return self.process.poll() is not None

    def running(self):
        return self.process is not None and not self._ended()

    def wait_exit(self, timeout=30):
        """Waits until it has ended by itself; its exit code."""
        return self.process.wait(timeout)

    def stop(self, signum=signal.SIGTERM, timeout=30):
        """Signals it and waits for its end; its exit code."""
        self.process.send_signal(signum)
        return self.process.wait(timeout)

    def kill(self):
        """As a crash would end it."""
        self.exit_codes.add(-signal.SIGKILL)
        return self.stop(signal.SIGKILL)

    # The admin listener

    def get(self, path, method="GET"):
        """(status, text) of the admin listener's answer."""
        connection = http.client.HTTPConnection(self.host, self.admin_port, timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def ready(self):
        try:
            return self.get("/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def metrics(self):
        """{name with labels: value}"""
        status, text = self.get("/metrics")
        assert status == 200, text
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def metric(self, name):
        return self.metrics()[name]

    def rss(self):
        """Bytes of memory in use."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", text, re.M).group(1)) * 1024

    def connection(self):
        """A plain TCP connection to where clients come in."""
        return socket.create_connection((self.host, self.port), timeout=30)


class Nodes:
    """Starts nodes, and in the end stops them all and looks at what became of them."""

    def __init__(self, folder):
        self.folder = folder
        self.nodes = []

    def new(self, driver, settings=None, **more):
        """One that is not started yet."""
        settings = {"node.id": f"t{next(_numbers)}", "bus.driver": driver, **(settings or {})}
        node = Node(self.folder, settings, **more)
        self.nodes.append(node)
        return node

    def local(self, settings=None, **more):
        """A running one on its own, without a broker."""
        return self.new("local", settings, **more).start()

    def new_on(self, grid, settings=None, *, address=None, environment=None):
        """One on a grid in a broker, not started yet. `address`: where it thinks that the broker is."""
        broker = grid.broker
        settings = {"bus.rabbitmq.addresses": address or f"{broker.host}:{broker.amqp_port}",
                    "bus.rabbitmq.vhost": grid.vhost, "bus.rabbitmq.user": grid.account("node"),
                    "bus.prefix": grid.prefix, **(settings or {})}
        environment = {"GRIDNODE_BUS_RABBITMQ_PASSWORD": grid.password("node"), **(environment or {})}
        return self.new("rabbitmq", settings, environment=environment)

    def on(self, grid, settings=None, **more):
        """A running one."""
        return self.new_on(grid, settings, **more).start()

    def close(self):
        for node in self.nodes:
            if node.running():
                node.process.send_signal(signal.SIGTERM)
        problems = [problem for node in self.nodes for problem in self._end(node)]
        assert not problems, "\n".join(problems)

    @staticmethod
    def _end(node):
        if node.process is None:
            return
        try:
            code = node.process.wait(30)
        except subprocess.TimeoutExpired:
            node.process.kill()
            code = node.process.wait()
            yield f"{node.id} did not stop within 30 s"
        # Shown by pytest with the test when that has failed.
        print(f"--- end of the log of {node.id}, exit code {code}\n{node.log[-4000:]}")
        if code not in node.exit_codes:
            yield f"{node.id} ended with exit code {code}:\n{node.log[-4000:]}"
        if SANITIZER.search(node.log):
            yield f"{node.id}: a sanitizer speaks:\n{node.log[SANITIZER.search(node.log).start():][:6000]}"
