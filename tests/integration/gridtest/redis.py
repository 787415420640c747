"""A Redis of the tests' own, and whoever publishes on it."""

import json
import re
import signal
import socket
import subprocess

from .util import free_port, wait_for

SECRET = "the secret of the integration tests"
PASSWORD = "let-me-in"


class Connection:
    """RESP2, as far as the tests need it."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=30)
        self.file = self.socket.makefile("rb")
        self.command("AUTH", PASSWORD)

    def command(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis is gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        return rest.decode()

    def close(self):
        self.file.close()
        self.socket.close()


class Redis:
    """One private server. Keeps its port and what is in its append-only file over stop and start."""

    def __init__(self, folder):
        self.folder = folder
        self.host = "127.0.0.1"
        self.port = free_port()
        self.process = None

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def start(self):
        """Also when it runs."""
        if self.process and self.process.poll() is None:
            return
        self.folder.mkdir(exist_ok=True)
        with open(self.folder / "redis.log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--bind", self.host, "--port", str(self.port), "--dir", str(self.folder),
                 "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--requirepass", PASSWORD],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.answers, 30, "Redis answers")

    def answers(self):
        try:
            return self("PING") == "PONG"
        except (OSError, RuntimeError):  # refused, or loading
            return False

    def __call__(self, *words):
        """The answer to one command."""
        connection = Connection(self.host, self.port)
        try:
            return connection.command(*words)
        finally:
            connection.close()

    def version(self):
        return re.search(rb"^redis_version:(\S+)", self("INFO", "server"), re.M).group(1).decode()

    def _end(self, signum):
        self.process.send_signal(signum)
        self.process.wait(30)

    def stop(self):
        if self.process and self.process.poll() is None:
            self._end(signal.SIGTERM)

    def kill(self):
        """As a crash would end it; start() brings it back."""
        self._end(signal.SIGKILL)

    def freeze(self):
        """It keeps its connections, and even takes new ones, but does nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def cli(self, *words):
        """redis-cli, as a person would type it; what it printed."""
        done = subprocess.run(["redis-cli", "-u", f"redis://default:{PASSWORD}@{self.address}", "--no-auth-warning", *words],
                              text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=True)
        return done.stdout.strip()

    def offline(self):
        """The entries of the stream of absent users' messages, as {field: text}."""
        entries = self("XRANGE", "grid.offline", "-", "+")
        return [{fields[i].decode(): fields[i + 1].decode() for i in range(0, len(fields), 2)} for _, fields in entries]


class RedisBackend:
    """A program that publishes bare bodies, over one connection."""

    def __init__(self, redis):
        self.connection = Connection(redis.host, redis.port)

    def to_user(self, user, data):
        """How many nodes it reached."""
        return self.raw(f"grid.users:user.{user}", json.dumps(data))

    def to_room(self, room, data):
        return self.raw(f"grid.rooms:room.{room}", json.dumps(data))

    def raw(self, channel, payload):
        return self.connection.command("PUBLISH", channel, payload)

    def close(self):
        self.connection.close()
