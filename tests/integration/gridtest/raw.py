"""A websocket by hand, for what no library would send: a blocking socket, bytes out, frames in."""

import base64
import os
import socket
import struct
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Received(NamedTuple):
    opcode: int
    payload: bytes

    @property
    def code(self):
        """Of a close frame; 1005 when it has none."""
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) >= 2 else 1005


def frame(payload, opcode=TEXT, fin=True, masked=True, rsv=0, length=None):
    """The bytes of one frame. `length`: claim another one than the payload has."""
    payload = payload.encode() if isinstance(payload, str) else payload
    n = len(payload) if length is None else length
    mask_bit = 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if n < 126:
        head += bytes([mask_bit | n])
    elif n < 65536:
        head += struct.pack("!BH", mask_bit | 126, n)
    else:
        head += struct.pack("!BQ", mask_bit | 127, n)
    if not masked:
        return head + payload
    mask = b"\x11\x22\x33\x44"
    whole = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(payload), "big")


def handshake(path, *fields, key=None):
    """The bytes of a good handshake, with more fields."""
    key = key or base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", "Host: grid", "Upgrade: websocket", "Connection: Upgrade",
             "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Raw:
    """One connection. Every wait ends after `timeout` seconds with a TimeoutError."""

    def __init__(self, node, timeout=30, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((node.host, node.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.reset = False  # has the other side reset the connection?

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the other side has gone meanwhile."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
            self.reset = True
        self.buffer += data
        return bool(data)

    def upgrade(self, user, *fields):
        """The handshake, which must succeed."""
        self.send(handshake(f"/ws?user={user}", *fields))
        status, _ = self.answer()
        assert status == 101, status
        return self

    def welcomed(self, user, *fields):
        self.upgrade(user, *fields)
        assert b'"op":"welcome"' in self.read().payload
        return self

    def answer(self):
        """(status, head) of an HTTP answer; status None when the other side hung up without one."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return None, self.buffer
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return int(head.split(b" ", 2)[1]), head.decode()

    def read(self):
        """The next frame, None when the other side has closed the connection."""
        while True:
            done = self._parse()
            if done is not None:
                return done
            if not self._more():
                return None

    def _parse(self):
        data = self.buffer
        if len(data) < 2:
            return None
        n, at = data[1] & 0x7F, 2
        if n == 126:
            n, at = int.from_bytes(data[2:4], "big"), 4
        elif n == 127:
            n, at = int.from_bytes(data[2:10], "big"), 10
        if len(data) < at + n:
            return None
        self.buffer = data[at + n:]
        return Received(data[0] & 0x0F, data[at:at + n])

    def read_until(self, opcode):
        """The next frame of that kind, past all others; None when the connection ended before."""
        while (received := self.read()) is not None and received.opcode != opcode:
            pass
        return received

    def close_code(self):
        """Reads on to the close frame, answers it, and waits for the end of the connection; the code, None when there
        was no close frame."""
        received = self.read_until(CLOSE)
        if received is None:
            return None
        self.send(frame(received.payload, CLOSE))
        while self.read() is not None:
            pass
        return received.code
