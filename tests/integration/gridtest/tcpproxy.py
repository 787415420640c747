"""A TCP proxy to do harm to: cut what runs through it, freeze it, refuse what is new."""

import contextlib
import socket
import struct
import threading
import time

from .util import free_port

HEAD = 2048  # bytes; connection.start-ok is among them
SLICES = 20  # per second, of what goes slowly
RESET = struct.pack("ii", 1, 0)  # SO_LINGER that makes close() a reset


class Proxy:
    """Listens from the start. `frozen`: connections stay, and nothing goes through them."""

    def __init__(self, target):
        self.target = target
        self.host = "127.0.0.1"
        self.port = free_port()
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._pairs = {}  # (near, far) -> what the near end sent first
        self._withheld = set()
        self._pace = None
        self._listener = None
        self.accepted = 0
        self.accepted_at = None  # when the first one came since accept(), monotonic
        self.accept()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def connections(self):
        with self._lock:
            return len(self._pairs)

    def accept(self):
        """Takes connections (again)."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        listener.listen(64)
        self._listener, self.accepted_at = listener, None
        threading.Thread(target=self._run, args=(listener,), daemon=True).start()

    def refuse(self):
        """New connections are refused."""
        listener, self._listener = self._listener, None
        if listener:
            # Wakes the thread in accept(), which close() alone does not.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def cut(self, of=b""):
        """Resets connections at both ends: those whose first bytes hold `of` (the connection_name of AMQP), or all."""
        with self._lock:
            pairs = [pair for pair, head in self._pairs.items() if of in head]
            for pair in pairs:
                del self._pairs[pair]
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    end.shutdown(socket.SHUT_RDWR)
                    end.close()

    def withhold(self, of=b""):
        """What the near end of those sends goes nowhere any more. They are good for nothing but cut() then."""
        with self._lock:
            self._withheld |= {pair for pair, head in self._pairs.items() if of in head}

    def slow_down(self, pace):
        """What near ends send goes on at so many bytes per second only, on each connection."""
        self._pace = pace

    def freeze(self):
        self._flowing.clear()

    def thaw(self):
        self._flowing.set()

    def close(self):
        self.refuse()
        self.thaw()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _run(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.accepted_at = self.accepted_at or time.monotonic()
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            pair = (near, far)
            for end in pair:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs[pair] = b""
            # From here on cut() may close them at any time.
            for one, other in (pair, pair[::-1]):
                threading.Thread(target=self._pump, args=(one, other, pair), daemon=True).start()

    def _pump(self, one, other, pair):
        with contextlib.suppress(OSError):
            while True:
                self._flowing.wait()
                data = one.recv(65536)
                self._flowing.wait()
                if not data:
                    break
                if one is pair[0]:
                    self._remember(pair, data)
                    if pair in self._withheld:
                        continue
                self._send(other, data, self._pace if one is pair[0] else None)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)
        with self._lock:
            self._pairs.pop(pair, None)

    @staticmethod
    def _send(end, data, pace):
        size = pace // SLICES if pace else len(data)
        for at in range(0, len(data), size):
            end.sendall(data[at:at + size])
            if pace:
                time.sleep(1 / SLICES)

    def _remember(self, pair, data):
        with self._lock:
            head = self._pairs.get(pair)
            if head is not None and len(head) < HEAD:
                self._pairs[pair] = head + data
