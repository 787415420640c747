"""Servers of other kinds, as small as they can be, for gridbench to be driven against: they speak the few words that it
needs, each by its own protocol's document."""

import asyncio
import collections
import itertools
import json
import threading

import websockets
from websockets.legacy.server import serve


class Foreign:
    """A websocket server in a thread of its own. `members[name]` are those who get what is published to a name: pairs of
    a connection and what it called its subscription. `drop` publishes, from the tenth on, reach nobody."""

    subprotocols = None

    def __init__(self, drop=0):
        self.drop = drop
        self.members = collections.defaultdict(list)
        self.published = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    @property
    def address(self):
        return f"ws://127.0.0.1:{self.port}"

    async def _run(self):
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        async with serve(self._serve, "127.0.0.1", 0, compression=None, subprotocols=self.subprotocols) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stopped.wait()

    async def _serve(self, socket, path):
        try:
            await self.talk(socket, path)
        except websockets.ConnectionClosed:
            pass
        finally:
            for name, members in self.members.items():
                self.members[name] = [member for member in members if member[0] is not socket]

    async def publish(self, name, payload):
        self.published += 1
        if self.drop and self.published >= 10:
            self.drop -= 1
            return
        for socket, subscription in self.members[name]:
            await self.push(socket, name, subscription, payload)


class Plain(Foreign):
    """/sub/<name> gets what comes to /pub/<name>."""

    async def talk(self, socket, path):
        _, side, name = path.split("/")
        if side == "sub":
            self.members[name].append((socket, None))
        async for payload in socket:
            await self.publish(name, payload)

    async def push(self, socket, name, subscription, payload):
        await socket.send(payload)


class Nats(Foreign):
    """Bytes are cut into messages where it pleases: `cut` at a time."""

    def __init__(self, cut=7, **options):
        super().__init__(**options)
        self.cut = cut

    async def talk(self, socket, path):
        await socket.send(b'INFO {"server_id":"N"}\r\n')
        held = b""
        async for message in socket:
            held += message if isinstance(message, bytes) else message.encode()
            while b"\r\n" in held:
                line, held = held.split(b"\r\n", 1)
                word, *words = line.decode().split(" ")
                if word == "PUB":
                    size = int(words[1])
                    while len(held) < size + 2:
                        held += (await socket.recv()).encode()
                    await self.publish(words[0], held[:size])
                    held = held[size + 2:]
                elif word == "SUB":
                    self.members[words[0]].append((socket, words[1]))
                elif word == "PING":
                    await socket.send(b"PONG\r\n")
                else:
                    assert word in ("CONNECT", "PONG"), line

    async def push(self, socket, name, subscription, payload):
        data = f"MSG {name} {subscription} {len(payload)}\r\n".encode() + payload + b"\r\nPING\r\n"
        for at in range(0, len(data), self.cut):
            await socket.send(data[at:at + self.cut])


class Stomp(Foreign):
    """With one account, me:secret."""

    subprotocols = ["v12.stomp"]
    numbers = itertools.count()

    async def talk(self, socket, path):
        assert path == "/ws" and socket.subprotocol == "v12.stomp"
        async for message in socket:
            head, body = message.rstrip("\0").split("\n\n", 1)
            command, *lines = head.split("\n")
            headers = dict(line.split(":", 1) for line in lines)
            if command == "CONNECT":
                assert (headers["login"], headers["passcode"]) == ("me", "secret")
                await socket.send("CONNECTED\nversion:1.2\nsession:s-1\n\n\0")
                continue
            if command == "SUBSCRIBE":
                self.members[headers["destination"]].append((socket, headers["id"]))
            elif command == "SEND":
                assert int(headers["content-length"]) == len(body)
                await self.publish(headers["destination"], body)
            await socket.send(f"RECEIPT\nreceipt-id:{headers['receipt']}\n\n\0\n")

    async def push(self, socket, name, subscription, payload):
        await socket.send(f"MESSAGE\nsubscription:{subscription}\nmessage-id:{next(self.numbers)}\ndestination:{name}\n"
                          f"content-length:{len(payload)}\n\n{payload}\0\n")


class SocketIo(Foreign):
    """Parses what it gets and writes it anew, as the real one does."""

    def __init__(self, named=False, **options):
        super().__init__(**options)
        self.named = named  # its messages say which room they are for

    async def talk(self, socket, path):
        assert path == "/socket.io/?EIO=4&transport=websocket"
        await socket.send('0{"sid":"engine","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
        async for message in socket:
            if message == "40":
                await socket.send('40{"sid":"s-1"}')
                await socket.send("2")
            elif message.startswith("42"):
                number, _, arguments = message[2:].partition("[")
                event, room, *payload = json.loads("[" + arguments)
                if event == "join":
                    self.members[room].append((socket, None))
                else:
                    await self.publish(room, payload[0])
                await socket.send(f"43{number}[]")
            else:
                assert message == "3", message

    async def push(self, socket, name, subscription, payload):
        arguments = ["message", name, payload] if self.named else ["message", payload]
        await socket.send("42" + json.dumps(arguments, separators=(",", ":")))
