"""The nginx files of deploy/nginx: valid as they are, and doing what their comments say."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from gridtest.util import ROOT, free_port, wait_for

DEPLOY = ROOT / "deploy" / "nginx"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
HANDSHAKE = ("GET {path} HTTP/1.1\r\nHost: grid.example:5200\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n")
NOBODY = 65534
WHAT_MAY_DIFFER = r"\s*(listen|root|access_log|error_log|pid|user|server 127|worker_\w+|\w+_temp_path)\b"


# --- the files, moved somewhere else ---------------------------------------------------------------------------------


def shipped(folder):
    """The files as shipped, except that logs and pid file go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in DEPLOY.glob("*.conf"):
        text = source.read_text()
        text = text.replace("/var/log/nginx", str(folder)).replace("/run/nginx.pid", f"{folder}/nginx.pid")
        (folder / source.name).write_text(text)
    return folder


def as_run_makes_them(folder, port, node_ports):
    """The files as scripts/run changes them: another port, other nodes, no privileges needed."""
    script = ('set -euo pipefail; ROOT=$1 RUN_DIR=$2; for lib in common processes nginx; do . "$1/scripts/lib/$lib.sh"; '
              'done; shift 2; mkdir -p "$RUN_DIR/log"; nginx_configure "$@"')
    command = ["bash", "-c", script, "run", ROOT, folder, port, *node_ports]
    subprocess.run(list(map(str, command)), check=True, stdin=subprocess.DEVNULL)
    return folder / "nginx"


def nginx_t(folder, flag="-t", user=None):
    command = [NGINX, flag, "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]
    return subprocess.run(command, text=True, capture_output=True, user=user, stdin=subprocess.DEVNULL)


@pytest.fixture
def public_folder():
    """A folder another user may write to; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="grid-nginx-") as name:
        os.chmod(name, 0o777)
        yield pathlib.Path(name)


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")


def test_files_as_shipped_are_valid(tmp_path):
    needs_root()  # the temporary folders of Debian's nginx are root's
    done = nginx_t(shipped(tmp_path / "nginx"))
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_files_of_run_are_valid(tmp_path):
    done = nginx_t(as_run_makes_them(tmp_path, free_port(), [free_port(), free_port()]))
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_files_of_run_are_valid_for_an_ordinary_user(public_folder):
    needs_root()
    folder = as_run_makes_them(public_folder, free_port(), [free_port()])
    text = (folder / "nginx.conf").read_text()
    (folder / "nginx.conf").write_text(text.replace("user root;\n", "").replace("worker_rlimit_nofile 131072;\n", ""))
    for path in [*public_folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    done = nginx_t(folder, user=NOBODY)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_run_changes_only_what_it_must(tmp_path):
    """What a newcomer runs is what operators deploy: not one proxy setting differs."""
    made = as_run_makes_them(tmp_path, 5200, [5210, 5211])
    for name in ("gridnotify.conf", "gridnodes.conf", "nginx.conf"):
        ours, theirs = (set((folder / name).read_text().splitlines()) for folder in (DEPLOY, made))
        for line in (ours ^ theirs):
            assert re.match(WHAT_MAY_DIFFER, line), f"{name}: {line}"


# --- what the comments offer -----------------------------------------------------------------------------------------


def offered_methods():
    """The balancing methods that gridnodes.conf names in its comment."""
    text = (DEPLOY / "gridnodes.conf").read_text()
    return re.findall(r"^#   ((?:ip_hash|hash|least_conn)[^;]*;)", text, re.M)


def with_method(folder, method, extra=""):
    made = as_run_makes_them(folder, free_port(), [free_port(), free_port()])
    file = made / "gridnodes.conf"
    text = file.read_text().replace("\tip_hash;\n", f"\t{method}\n")
    file.write_text(text[:text.rindex("}")] + extra + "}\n")
    return nginx_t(made)


def test_every_way_to_stick_is_there():
    names = [method.split()[0].rstrip(";") for method in offered_methods()]
    assert names == ["ip_hash", "hash", "hash", "least_conn"]


@pytest.mark.parametrize("method", offered_methods())
def test_offered_method_is_valid(tmp_path, method):
    done = with_method(tmp_path, method)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", offered_methods())
def test_backup_goes_with_least_conn_only(tmp_path, method):
    done = with_method(tmp_path, method, "\tserver 127.0.0.1:1 backup;\n")
    assert (done.returncode == 0) == (method == "least_conn;"), done.stderr


def test_down_goes_with_ip_hash(tmp_path):
    done = with_method(tmp_path, "ip_hash;", "\tserver 127.0.0.1:1 down;\n")
    assert done.returncode == 0, done.stderr


def seconds(setting):
    return int(re.search(rf"^\s*{setting} (\d+)s;", (DEPLOY / "gridnotify.conf").read_text(), re.M).group(1))


def test_timeouts_are_above_the_heartbeat():
    source = (ROOT / "src" / "core" / "config.c").read_text()
    heartbeat = int(re.search(r'heartbeat\.interval, "(\d+)s"', source).group(1))
    assert seconds("proxy_read_timeout") > 2 * heartbeat
    assert seconds("proxy_send_timeout") > 2 * heartbeat
    assert seconds("proxy_connect_timeout") <= 5


def test_eight_nodes_in_the_sample():
    nodes = re.findall(r"^\tserver (\S+)", (DEPLOY / "gridnodes.conf").read_text(), re.M)
    assert nodes == [f"127.0.0.1:{port}" for port in range(5210, 5218)]


# --- a running nginx, and nodes that are not there or say no ----------------------------------------------------------


class FakeNode:
    """Answers every request with one fixed head and remembers what it was asked."""

    UPGRADED = ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
    FULL = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def __init__(self, answer=UPGRADED):
        self.answer = answer
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection, contextlib.suppress(OSError):
            head = read_head(connection)
            self.requests.append(head)
            connection.sendall(self.answer.encode())
            while self.answer is self.UPGRADED and (data := connection.recv(4096)):
                connection.sendall(data)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data:
            break
        head += data
    return head.decode()


class Nginx:
    def __init__(self, folder, node_ports):
        self.port = free_port()
        self.folder = as_run_makes_them(folder, self.port, node_ports)
        self.log = folder / "log"
        self.process = subprocess.Popen([NGINX, "-e", self.log / "nginx.log", "-p", self.folder, "-c",
                                         self.folder / "nginx.conf", "-g", "daemon off;"], stdin=subprocess.DEVNULL)
        wait_for(self._accepts, what="nginx listening")

    def _accepts(self):
        assert self.process.poll() is None, (self.log / "nginx.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def ask(self, path="/ws?user=42", more="", request=HANDSHAKE):
        """Sends one request; (the head of the answer, the open socket)."""
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        connection.sendall(request.format(path=path, more=more).encode())
        return read_head(connection), connection

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


@pytest.fixture
def front(tmp_path):
    """front(answers…) → (nginx, fake nodes): a node for each answer; None: nobody listens on its port."""
    stack = contextlib.ExitStack()

    def make(*answers):
        nodes = [FakeNode(answer) if answer else None for answer in answers]
        for node in filter(None, nodes):
            stack.callback(node.close)
        nginx = Nginx(tmp_path, [node.port if node else free_port() for node in nodes])
        stack.callback(nginx.stop)
        return nginx, nodes

    with stack:
        yield make


def header(head, name):
    found = re.search(rf"^{name}: (.*?)\r$", head, re.M | re.I)
    return found and found.group(1)


def test_handshake_arrives_as_one(front):
    nginx, (node,) = front(FakeNode.UPGRADED)
    head, connection = nginx.ask(more="Cookie: a=b\r\nX-Forwarded-For: 6.6.6.6\r\n")
    with connection:
        assert head.startswith("HTTP/1.1 101 ")
        connection.sendall(b"frame")
        assert connection.recv(100) == b"frame"
    seen = node.requests[0]
    assert seen.startswith("GET /ws?user=42 HTTP/1.1\r\n")
    assert header(seen, "Upgrade") == "websocket"
    assert header(seen, "Connection") == "upgrade"
    assert header(seen, "Host") == "grid.example:5200"
    assert header(seen, "X-Real-IP") == "127.0.0.1"
    assert header(seen, "X-Forwarded-For") == "6.6.6.6, 127.0.0.1"
    assert header(seen, "X-Forwarded-Proto") == "http"
    assert header(seen, "Cookie") is None


def test_plain_request_is_not_announced_as_an_upgrade(front):
    nginx, (node,) = front("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
    head, connection = nginx.ask(request="GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
    connection.close()
    assert head.startswith("HTTP/1.1 426 ")
    assert header(node.requests[0], "Connection") == "close"
    assert header(node.requests[0], "Upgrade") is None


def test_a_dead_node_is_passed_over(front):
    nginx, (_, node) = front(None, FakeNode.UPGRADED)
    for _ in range(5):
        head, connection = nginx.ask()
        connection.close()
        assert head.startswith("HTTP/1.1 101 ")
    assert len(node.requests) == 5


def test_a_full_node_is_believed(front):
    nginx, nodes = front(FakeNode.FULL, FakeNode.FULL)
    head, connection = nginx.ask()
    connection.close()
    assert head.startswith("HTTP/1.1 503 ")
    assert header(head, "Retry-After") == "3"
    assert sum(len(node.requests) for node in nodes) == 1


def test_one_address_stays_at_one_node(front):
    nginx, nodes = front(FakeNode.UPGRADED, FakeNode.UPGRADED)
    for _ in range(6):
        nginx.ask()[1].close()
    assert sorted(len(node.requests) for node in nodes) == [0, 6]


def test_log_names_the_node_and_no_token(front):
    nginx, (node,) = front(FakeNode.UPGRADED)
    nginx.ask(path="/ws?token=secret")[1].close()
    log = nginx.log / "nginx-access.log"
    line = wait_for(lambda: log.exists() and log.read_text(), what="a line in the access log")
    assert f"node=127.0.0.1:{node.port}" in line
    assert "GET /ws HTTP/1.1" in line
    assert "secret" not in line


def test_page_is_served(front):
    nginx, _ = front(FakeNode.UPGRADED)
    request = "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n"
    head, connection = nginx.ask(path="/", request=request)
    connection.close()
    assert head.startswith("HTTP/1.1 200 ")
    assert header(head, "Content-Type") == "text/html"
    head, connection = nginx.ask(path="/grid.js", request=request)
    connection.close()
    assert "javascript" in header(head, "Content-Type")
