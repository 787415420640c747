"""A websocket proxy that tampers: it sees each frame that a node sends, and says which frames go on instead."""

import contextlib
import socket
import threading

from .raw import PONG, TEXT, frame
from .util import free_port

HEAD_END = b"\r\n\r\n"


class TamperingProxy:
    """`tamper(text)` gets the text of each frame from the node, from all connections, one at a time; it returns a list
    of what the client gets instead. What is not text (pings, close) goes through as it is. `framed(payload)` makes the
    bytes of a text."""

    def __init__(self, node, tamper, framed=lambda payload: frame(payload, TEXT, masked=False)):
        self.target = node.host, node.port
        self.tamper, self.framed = tamper, framed
        self.pongs = 0  # of clients
        self.port = free_port()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/ws"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            node = socket.create_connection(self.target)
            self._sockets += [client, node]
            threading.Thread(target=self._copy, args=(client, node), daemon=True).start()
            threading.Thread(target=self._serve, args=(node, client), daemon=True).start()

    def _copy(self, client, node):
        """From the client to the node, which must not get the pongs it has not asked for."""
        with contextlib.suppress(OSError, EOFError):
            stream = client.makefile("rb")
            node.sendall(self._head(stream))
            while True:
                head, payload = self._frame(stream)
                if head[0] & 0x0F == PONG:
                    self.pongs += 1
                else:
                    node.sendall(head + payload)
        with contextlib.suppress(OSError):
            node.shutdown(socket.SHUT_WR)

    def _serve(self, node, client):
        with contextlib.suppress(OSError, EOFError):
            stream = node.makefile("rb")
            client.sendall(self._head(stream))
            while True:
                head, payload = self._frame(stream)
                if head[0] != 0x81:
                    client.sendall(head + payload)
                    continue
                with self._lock:
                    for text in self.tamper(payload.decode()):
                        client.sendall(self.framed(text.encode()))
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)

    @staticmethod
    def _take(stream, n):
        data = stream.read(n)
        if len(data) < n:
            raise EOFError
        return data

    def _head(self, stream):
        head = b""
        while not head.endswith(HEAD_END):
            head += self._take(stream, 1)
        return head

    def _frame(self, stream):
        """(header, payload) as they came. Neither side sends fragments."""
        head = self._take(stream, 2)
        n = head[1] & 0x7F
        if n >= 126:
            more = self._take(stream, 2 if n == 126 else 8)
            head, n = head + more, int.from_bytes(more, "big")
        return head, self._take(stream, n + 4 if head[1] & 0x80 else n)
