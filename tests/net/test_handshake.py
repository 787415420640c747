"""Requests on the client listener: who gets a websocket, and what the others are told."""
import socket

import pytest

from rawws import KEY, Raw, frame, handshake, wait_for


def ask(node, request):
    with node.connect() as raw:
        raw.send(request)
        return raw.response()


def test_accept_key_and_hello(node):
    with node.websocket("/ws?user=42") as ws:
        assert ws.hello == "hello 1 user=3432 token= bearer= address=127.0.0.1"
        # RFC 6455, 4.2.2: base64(sha1(key + GUID))
        import base64, hashlib
        accept = base64.b64encode(hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert f"Sec-WebSocket-Accept: {accept.decode()}" in ws.response_head
        assert "Sec-WebSocket-Protocol" not in ws.response_head
        assert "xtensions" not in ws.response_head


@pytest.mark.parametrize("offer", ["grid.v1.json", "other, grid.v1.json", "a,b , grid.v1.json,c", "13, grid.v1.json",
                                   "x" * 120 + ", grid.v1.json"])
def test_our_subprotocol_is_chosen(node, offer):
    with node.websocket("/ws", f"Sec-WebSocket-Protocol: {offer}") as ws:
        assert "Sec-WebSocket-Protocol: grid.v1.json" in ws.response_head


def test_our_subprotocol_in_a_second_line(node):
    with node.websocket("/ws", "Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: grid.v1.json") as ws:
        assert "Sec-WebSocket-Protocol: grid.v1.json" in ws.response_head


@pytest.mark.parametrize("offer", ["other", "grid.v2.json, x", "GRID.V1.JSON", "x" * 3000])
def test_only_unknown_subprotocols(node, offer):
    status, _, body = ask(node, handshake("/ws", f"Sec-WebSocket-Protocol: {offer}"))
    assert status == 400 and b"grid.v1.json" in body
    assert node.metric('grid_net_rejected_total{reason="subprotocol"}') == 1


def test_an_empty_offer_is_none(node):
    with node.websocket("/ws", "Sec-WebSocket-Protocol: ") as ws:
        assert "Sec-WebSocket-Protocol" not in ws.response_head


REFUSED = {
    "root": (handshake("/"), 404),
    "slash": (handshake("/ws/"), 404),
    "wss": (handshake("/wss?user=1"), 404),
    "encoded": (handshake("/%77s"), 404),
    "plain-root": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "post": (handshake(method="POST"), 405),
    "plain": (b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426),
    "h2c": (handshake(upgrade="h2c"), 426),
    "version-8": (handshake(version="8"), 426),
    "no-version": (handshake(version=None), 426),
    "connection-close": (handshake(connection="close"), 400),
    "no-key": (handshake(key=None), 400),
    "short-key": (handshake(key="short"), 400),
    "long-key": (handshake(key="x" * 3000), 400),
    "http-1.0": (handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "no-host": (handshake().replace(b"Host: test\r\n", b""), 400),
    "zero-byte": (handshake("/ws", "A: \x00"), 400),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
    "http-2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "big-cookie": (handshake("/ws", "Cookie: " + "c" * 20000), 431),
    "endless-line": (b"GET /" + b"x" * 20000, 431),
}


@pytest.mark.parametrize("request_, status", REFUSED.values(), ids=REFUSED.keys())
def test_refusals_are_answered(node, request_, status):
    got, head, body = ask(node, request_)
    assert got == status and body and "Connection: close" in head
    if status == 404:
        assert b"/ws" in body
    if status == 426:
        assert "Upgrade: websocket" in head


def test_big_cookies_and_queries_are_fine(node):
    with node.websocket("/ws?token=" + "t" * 4096, "Cookie: " + "c" * 8000) as ws:
        assert f"token={'t' * 4096} " in ws.hello


@pytest.mark.parametrize("query, user", [
    ("user=a%2Bb+c%20d", b"a+b+c d"),
    ("user=%C3%BC", "ü".encode()),
    ("user=a%00b", b"a\0b"),
    ("user=%23*%26.", b"#*&."),
    ("token=x&user=%ff", b"\xff"),
    ("user=", b""),
])
def test_user_is_decoded(node, query, user):
    with node.websocket("/ws?" + query) as ws:
        assert f"user={user.hex()} " in ws.hello


def test_no_user_and_bearer(node):
    with node.websocket("/ws", "Authorization: Bearer abc.def") as ws:
        assert "user=- " in ws.hello and "bearer=abc.def " in ws.hello


def test_forwarded_address(node):
    with node.websocket("/ws", "X-Forwarded-For: 1.2.3.4, 198.51.100.7", "X-Real-IP: 9.9.9.9") as ws:
        assert ws.hello.endswith("address=198.51.100.7")


def test_request_in_single_bytes_and_frames_behind_it(node):
    with node.connect() as raw:
        for byte in handshake():
            raw.send(bytes([byte]))
        raw.send(frame("echo early"))
        assert raw.head().startswith("HTTP/1.1 101")
        assert raw.text().startswith("hello")
        assert raw.text() == "early"


def test_frames_in_the_packet_of_the_handshake(node):
    with node.connect() as raw:
        raw.send(handshake() + b"".join(frame(f"echo {i} {'y' * 90}") for i in range(150)))
        raw.head()
        raw.text()
        assert [raw.text().split()[0] for _ in range(150)] == [str(i) for i in range(150)]


def test_frames_behind_the_handshake_wait_while_paused(node):
    with node.connect() as raw, node.websocket() as other:
        raw.send(handshake("/ws?user=paused") + frame("echo 1") + frame("echo 2"))
        raw.head()
        id_ = raw.text().split()[1]
        other.send(frame("echo sync"))
        assert other.text() == "sync"
        other.send(frame("stats"))
        assert other.text().split()[2] == "2"  # what `other` sent itself
        other.send(frame(f"resume {id_}"))
        assert [raw.text(), raw.text()] == ["1", "2"]


def test_no_memory_for_a_session_just_drops(node):
    with node.connect() as raw:
        raw.send(handshake("/ws?user=nomem"))
        assert raw.ended() in ("eof", "reset")


def test_refused_from_within_open(node):
    with node.websocket("/ws?user=refused") as ws:
        ws.send(frame("echo too late"))
        assert ws.close_code() == 4001
        ws.send(frame(b"\x0f\xa1", 8))
        assert ws.ended() == "eof"


def test_half_a_handshake_is_dropped_after_ten_seconds(node):
    with node.connect() as silent, node.connect() as half, Raw(("127.0.0.1", node.admin_port)) as admin:
        half.send(handshake()[:-10])
        admin.send(b"GET /healthz HTTP/1.1\r\n")
        assert half.response()[0] == 408
        assert silent.ended() == "eof"
        assert admin.response()[0] == 408
    assert node.metric('grid_net_rejected_total{reason="timeout"}') == 2


def test_bytes_that_keep_dripping_do_not_extend_it(node):
    with node.connect() as raw:
        raw.sock.settimeout(0.5)
        dripped = 0
        for byte in handshake("/ws", "A: " + "b" * 1000):
            try:
                raw.send(bytes([byte]))
                if raw.sock.recv(100):
                    break
            except socket.timeout:
                dripped += 1
            except OSError:
                break
        assert 15 <= dripped <= 24


def test_stop_accepting_refuses_and_keeps(node):
    with node.websocket() as ws:
        ws.send(frame("stop"))
        assert ws.text() == "stopped"
        with pytest.raises(ConnectionRefusedError):
            node.connect()
        ws.send(frame("echo still here"))
        assert ws.text() == "still here"
        assert node.http("/healthz")[0] == 200


def test_gone_in_the_middle(node):
    with node.connect() as raw:
        raw.send(handshake()[:40])
    wait_for(lambda: node.metric('grid_net_rejected_total{reason="gone"}') == 1)
