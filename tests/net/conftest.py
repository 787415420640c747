import os
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from rawws import Raw, echo_node, free_port


class Node:
    def __init__(self, folder, addresses, interval, idle, admin="127.0.0.1", port=None, files=None):
        self.port, self.admin_port = port or free_port(), free_port()
        self.admin = admin
        self.log = folder / f"log{self.port}"
        command = [echo_node, self.port, self.admin_port, interval, idle, *addresses]
        if files:
            command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                                        stderr=self.log.open("w"), env={**os.environ, "ECHO_NODE_ADMIN": admin})
        self.listening = self.process.stdout.readline() == b"listening\n"

    def connect(self, **kw):
        return Raw(("127.0.0.1", self.port), **kw)

    def websocket(self, path="/ws", *fields, **kw):
        raw = self.connect(**kw)
        raw.hello = raw.open(path, *fields)
        raw.id = raw.hello.split()[1]
        return raw

    def http(self, path, method="GET", port=None):
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.admin_port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def metric(self, name):
        for line in self.http("/metrics")[2].splitlines():
            if line.startswith(name + " "):
                return int(line.split()[1])
        raise KeyError(name)

    def stop(self):
        """Ends it with whatever is still open; every session opened was closed once, no sanitizer complained."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        log = self.log.read_text()
        assert "Sanitizer" not in log and "runtime error" not in log, log
        assert not self.listening or code == 0, log
        return log


@pytest.fixture
def nodes(tmp_path):
    started = []

    def start(*addresses, interval=25000, idle=60000, **kw):
        node = Node(tmp_path, addresses or ("127.0.0.1",), interval, idle, **kw)
        started.append(node)
        return node

    yield start
    for node in started:
        node.stop()


@pytest.fixture
def node(nodes):
    return nodes()
