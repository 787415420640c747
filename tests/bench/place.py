"""Where it is measured: the broker and the Redis that the systems share, and the processes they are made of."""

import contextlib
import itertools
import shutil
import signal
import socket
import subprocess

from gridtest.redis import Redis
from gridtest.util import free_port, wait_for

VHOST = "bench"
START_SECONDS = 60


def brokers():
    """Imported no earlier than it is used, as it needs what is installed for a run: `--list` works without."""
    from gridtest import broker
    return broker


class Process:
    """One server, ended by its pid. What it says is in FOLDER/NAME.log."""

    def __init__(self, folder, name, command):
        self.log_path = folder / f"{name}.log"
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def pid(self):
        return self._process.pid

    def wait_listening(self, port):
        wait_for(lambda: self._listens(port), START_SECONDS, f"{self.log_path.stem} listens")

    def _listens(self, port):
        assert self._process.poll() is None, f"it has ended:\n{self.log_path.read_text(errors='replace')[-4000:]}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def children(pid):
    """The pids of a process' children."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as text:
        return list(map(int, text.read().split()))


class Place:
    """What is shared is started when first asked for. After `last_use` the brokers are thrown away: deleting a queue with
    thousands of bindings would keep one busy for longer than a new one takes to start."""

    def __init__(self, folder):
        self.folder = folder
        self.versions = {}
        self._broker, self._grid, self._redis, self._stomp = None, None, None, None
        self._spent = False
        self._numbers = itertools.count(1)

    def new_folder(self, name):
        """For what one run leaves behind."""
        folder = self.folder / f"{next(self._numbers):03}-{name}"
        folder.mkdir()
        return folder

    @property
    def broker(self):
        if not self._broker:
            self._broker = brokers().Broker(self.folder / "broker")
            self._broker.start()
            self.versions["RabbitMQ"] = self._broker.api("GET", "overview")["rabbitmq_version"]
        return self._broker

    @property
    def grid(self):
        if not self._grid:
            self._grid = brokers().Grid(self.broker, VHOST)
            self._grid.create()
        return self._grid

    @property
    def redis(self):
        if not self._redis:
            self._redis = Redis(self.folder / "redis")
            self._redis.start()
            self.versions["Redis"] = self._redis.version()
        return self._redis

    @property
    def stomp(self):
        """A broker with Web STOMP: a grid, and where its websockets are."""
        if not self._stomp:
            broker, port = self._start_stomp()
            grid = brokers().Grid(broker, VHOST)
            grid.create()
            self._stomp = grid, port
        return self._stomp

    def _start_stomp(self):
        ports = [free_port(), free_port()]
        lines = self.folder / "stomp.conf"
        lines.write_text(f"stomp.listeners.tcp.1 = 127.0.0.1:{ports[0]}\nweb_stomp.tcp.ip = 127.0.0.1\n"
                         f"web_stomp.tcp.port = {ports[1]}\nstomp.default_vhost = {VHOST}\n")
        broker = brokers().Broker(self.folder / "stomp", more=("--config", lines, "--plugins", "rabbitmq_web_stomp"))
        broker.start()
        return broker, ports[1]

    def forget(self, queue):
        """What is left of a node that has gone."""
        if self._grid and not self._spent:
            self._grid.api("DELETE", "queues", queue)

    @contextlib.contextmanager
    def last_use(self):
        """Of the brokers there are: nothing is deleted in them any more, and who comes next gets new ones."""
        self._spent = True
        try:
            yield
        finally:
            self._spent = False
            self._end_brokers()

    def _end_brokers(self):
        for folder in ("broker", "stomp"):
            end_broker(self.folder / folder)
        self._broker, self._grid, self._stomp = None, None, None

    def close(self):
        self._end_brokers()
        if self._redis:
            self._redis.stop()


def end_broker(folder):
    """And all it had: nobody needs it any more."""
    if folder.is_dir():
        broker = brokers().Broker(folder)
        broker.kill()
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def end_brokers(folder):
    """Those that a killed run has left running in it."""
    for name in ("broker", "stomp"):
        end_broker(folder / name)
