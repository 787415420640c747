"""Listeners: addresses of every kind, clear words when one cannot be had; the admin listener."""
import os
import socket
import stat

import pytest

from rawws import Raw, frame, free_port, handshake, wait_for


def test_ipv4_ipv6_and_unix_together(nodes, tmp_path):
    path = str(tmp_path / "ws.sock")
    node = nodes("0.0.0.0", "::", f"unix:{path}")
    assert node.listening
    for address in (("127.0.0.1", node.port), ("::1", node.port), path):
        with Raw(address) as ws:
            hello = ws.open()
            assert hello.endswith({"127.0.0.1": "address=127.0.0.1", "::1": "address=::1"}.get(address[0], "=unix"))
            ws.send(frame("echo hi"))
            assert ws.text() == "hi"
    with Raw(path) as ws:
        assert ws.open("/ws", "X-Forwarded-For: 2001:db8::9").endswith("address=2001:db8::9")
    node.stop()
    assert not os.path.exists(path)


def test_reader_that_never_reads_on_a_unix_socket(nodes, tmp_path):
    path = str(tmp_path / "ws.sock")
    node = nodes("127.0.0.1", f"unix:{path}", interval=1000, idle=3000)
    with Raw(path) as ws, Raw(path) as slow:
        ws.open()
        ws.send(frame("flood 20000 100") + frame("close 4004"))
        slow.open()
        wait_for(lambda: node.metric("grid_net_resets_total") == 1)
        wait_for(lambda: node.metric("grid_net_idle_drops_total") == 1)


def test_stale_unix_socket_is_removed_a_used_one_not(nodes, tmp_path):
    path = tmp_path / "ws.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    first = nodes(f"unix:{path}")
    assert first.listening
    second = nodes(f"unix:{path}")
    assert not second.listening
    assert f"unix:{path}: another process listens there" in second.stop()
    with Raw(str(path)) as ws:
        ws.open()
    (tmp_path / "file").write_text("precious")
    third = nodes(f"unix:{tmp_path}/file")
    assert "no socket" in third.stop()
    assert (tmp_path / "file").read_text() == "precious"


def test_port_taken(nodes):
    first = nodes()
    second = nodes(port=first.port)
    assert not second.listening
    assert f"127.0.0.1 port {first.port}: the port is taken; who has it: ss -ltnp 'sport = :{first.port}'" \
        in second.stop()


@pytest.mark.parametrize("address, words", [
    ("192.0.2.1", "not an address of this machine"),
    ("localhost", "not an IPv4 or IPv6 address"),
    ("", "not an IPv4 or IPv6 address"),
    ("unix:relative", "not unix:/path"),
    ("unix:/" + "x" * 200, "at most 107 bytes"),
    ("unix:/no/such/folder/s", "No such file or directory"),
])
def test_addresses_that_cannot_be_had(nodes, address, words):
    node = nodes(address)
    assert not node.listening and words in node.stop()


def test_admin(node):
    assert node.http("/healthz")[::2] == (200, "ok\n")
    assert node.http("/readyz")[::2] == (200, "ready\n")
    status, headers, body = node.http("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE grid_net_connections gauge\n" in body
    assert int(headers["Content-Length"]) == len(body)
    status, headers, nothing = node.http("/metrics", "HEAD")
    assert status == 200 and int(headers["Content-Length"]) > 1000 and nothing == ""
    status, _, body = node.http("/")
    assert status == 404 and all(path in body for path in ("/healthz", "/readyz", "/metrics"))
    assert node.http("/ws")[0] == 404
    status, headers, _ = node.http("/metrics", "POST")
    assert status == 405 and headers["Allow"] == "GET, HEAD"
    assert node.http("/healthz", port=node.port)[0] == 404
    with node.websocket() as ws:
        ws.send(frame("unready") + frame("echo x"))
        ws.text()
        assert node.http("/readyz")[::2] == (503, "not ready: told so\n")
        assert node.http("/healthz")[0] == 200


def test_admin_on_a_unix_socket(nodes, tmp_path):
    path = str(tmp_path / "admin.sock")
    nodes(admin=f"unix:{path}")
    with Raw(path) as raw:
        raw.send(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert raw.response()[::2] == (200, b"ok\n")


def test_a_slow_reader_gets_all_of_the_metrics(node):
    with Raw(("127.0.0.1", node.admin_port), rcvbuf=1024) as raw:
        raw.send(b"GET /metrics HTTP/1.1\r\n\r\n")
        status, head, body = raw.response()
        assert status == 200 and f"Content-Length: {len(body)}\r\n" in head + "\r\n"


def test_out_of_descriptors_neither_spins_nor_dies(nodes):
    node = nodes(files=64)
    sockets = [node.connect() for _ in range(80)]
    wait_for(lambda: "cannot accept connections: Too many open files" in node.log.read_text())
    ticks = cpu(node.process.pid)
    with sockets[0] as first:
        assert first.open()
        first.send(frame("echo alive"))
        assert first.text() == "alive"
    lines = wait_for(lambda: node.log.read_text().count("cannot accept") >= 3)
    assert cpu(node.process.pid) - ticks < 50, "half a second of CPU"
    for s in sockets:
        s.sock.close()
    with wait_for(lambda: try_open(node)) as ws:
        ws.send(frame("echo back"))
        assert ws.text() == "back"


def try_open(node):
    try:
        return node.websocket()
    except (EOFError, OSError):
        return None


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
