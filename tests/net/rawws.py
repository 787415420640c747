"""A websocket client that does what it is told and nothing else: no pongs, no close answers, any bytes."""
import base64
import os
import socket
import struct
import time

KEY = base64.b64encode(b"0123456789abcdef").decode()
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def handshake(path="/ws", *fields, key=KEY, version="13", upgrade="websocket", connection="Upgrade", method="GET"):
    lines = [f"{method} {path} HTTP/1.1", "Host: test"]
    for name, value in (("Upgrade", upgrade), ("Connection", connection), ("Sec-WebSocket-Key", key),
                        ("Sec-WebSocket-Version", version)):
        if value is not None:
            lines.append(f"{name}: {value}")
    return ("\r\n".join([*lines, *fields]) + "\r\n\r\n").encode()


def frame(payload=b"", opcode=TEXT, fin=True, rsv=0, mask=b"\x11\x22\x33\x44"):
    if isinstance(payload, str):
        payload = payload.encode()
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += b"\xfe" + struct.pack("!H", len(payload))
    else:
        head += b"\xff" + struct.pack("!Q", len(payload))
    repeated = mask * (len(payload) // 4 + 1)
    return head + mask + bytes(a ^ b for a, b in zip(payload, repeated))


class Raw:
    """A TCP or unix connection; `buffer` holds what came and was not taken yet."""

    def __init__(self, address, rcvbuf=None):
        family = socket.AF_UNIX if isinstance(address, str) else (
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.sock = socket.socket(family)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(15)
        self.sock.connect(address)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def take(self, n):
        while len(self.buffer) < n:
            self.more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return head.decode()

    def response(self):
        """Status, head, body of an answer that ends with the connection, which must end cleanly."""
        head = self.head()
        try:
            while True:
                self.more()
        except EOFError:
            pass
        return int(head.split()[1]), head, self.buffer

    def frame(self):
        """The next frame: (opcode, payload). The server must not mask, nor fragment."""
        first, second = self.take(2)
        assert first & 0x80 and not second & 0x80
        n = second
        if n == 126:
            n, = struct.unpack("!H", self.take(2))
        elif n == 127:
            n, = struct.unpack("!Q", self.take(8))
        return first & 15, self.take(n)

    def text(self):
        opcode, payload = self.frame()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    def close_code(self):
        """Reads up to the close frame; its code."""
        while True:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                return struct.unpack("!H", payload[:2])[0]

    def ended(self):
        """Reads to the end: "eof" or "reset"."""
        try:
            while self.sock.recv(65536):
                pass
            return "eof"
        except ConnectionResetError:
            return "reset"

    def open(self, path="/ws", *fields):
        """Handshake; returns the hello of echo_node."""
        self.send(handshake(path, *fields))
        return self.opened()

    def opened(self):
        """The rest of it, when the handshake was sent."""
        head = self.head()
        assert head.startswith("HTTP/1.1 101 "), head
        self.response_head = head
        return self.text()


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)
    return value


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


echo_node = os.environ.get("ECHO_NODE", "echo_node")
