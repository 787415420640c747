"""A websocket client: answers by their `ref`, pushes in a list, and waiting for either."""

import asyncio
import itertools
import json
import urllib.parse

import websockets

TIMEOUT = 30.0  # generous: for machines under load and sanitizers


class Frame(dict):
    """A frame from the node: the object, and in `text` how it was written."""

    def __init__(self, text):
        super().__init__(json.loads(text, parse_constant=_no_constant))
        self.text = text


def _no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def address_of(place, user, query=None):
    """`place`: a Node, anything else with a `url`, or the URL."""
    query = dict(query or {})
    if user is not None:
        query["user"] = user
    text = urllib.parse.urlencode(query, quote_via=urllib.parse.quote)
    return getattr(place, "url", place) + ("?" + text if text else "")


class Client:
    """One websocket. A task of its own reads all the time, so that nothing here is ever a slow client."""

    def __init__(self, socket):
        self.socket = socket
        self.pushes = []      # Frames that are no answer: welcome, message, notify, bye, errors without ref
        self.waiting = {}     # ref -> Future
        self.refs = itertools.count(1)
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, place, user, query=None, *, unix=None, **options):
        """Connects, without waiting for `welcome`."""
        options = {"ping_interval": None, "compression": None, "max_size": None, "max_queue": None,
                   "open_timeout": TIMEOUT, "close_timeout": TIMEOUT, **options}
        if unix:
            socket = await websockets.unix_connect(str(unix), address_of(place, user, query), **options)
        else:
            socket = await websockets.connect(address_of(place, user, query), **options)
        return cls(socket)

    async def _read(self):
        try:
            async for text in self.socket:
                self._take(Frame(text))
        except (websockets.ConnectionClosed, OSError):
            pass
        finally:
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(AssertionError(f"closed ({self.close_code}) before the answer"))
            self._changed.set()

    def _take(self, frame):
        future = self.waiting.pop(frame["ref"], None) if frame.get("ref") is not None else None
        if future is None:
            self.pushes.append(frame)
        elif not future.done():
            future.set_result(frame)
        self._changed.set()

    # What came

    @property
    def closed(self):
        return self._reader.done()

    @property
    def close_code(self):
        return self.socket.close_code

    @property
    def welcome(self):
        return next((frame for frame in self.pushes if frame["op"] == "welcome"), None)

    @property
    def session(self):
        return self.welcome["session"]

    def got(self, op, **fields):
        """The pushes of that op with these fields."""
        return [frame for frame in self.pushes
                if frame["op"] == op and all(frame.get(name) == value for name, value in fields.items())]

    def data(self, op="message", **fields):
        """What the application's messages said, in order of arrival."""
        return [frame.get("data") for frame in self.got(op, **fields)]

    async def until(self, condition, timeout=TIMEOUT, what=None):
        """Waits until `condition()` is true, which it can become only by something that arrives; its value."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            self._changed.clear()
            value = condition()
            if value:
                return value
            left = deadline - loop.time()
            if self.closed or left <= 0:
                why = f"closed ({self.close_code})" if self.closed else f"not within {timeout} s"
                raise AssertionError(f"{why}: {what or 'condition'}; {len(self.pushes)} pushes, "
                                     f"the last: {self.pushes[-3:]}")
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except asyncio.TimeoutError:
                pass

    async def wait_for(self, op, timeout=TIMEOUT, **fields):
        """The first push of that op with these fields."""
        return (await self.until(lambda: self.got(op, **fields), timeout, f"a {op} with {fields}"))[0]

    async def wait_data(self, *values, op="message", timeout=TIMEOUT):
        """Waits until each of these has arrived as `data`."""
        await self.until(lambda: all(value in self.data(op) for value in values), timeout, f"{op}s with {values}")

    async def wait_closed(self, timeout=TIMEOUT):
        """Waits until the other side has closed; the close code (1006: without a close frame)."""
        await asyncio.wait_for(asyncio.shield(self._reader), timeout)
        return self.close_code

    # What is asked

    async def send(self, text):
        """A frame as it stands: text, or bytes for a binary one."""
        await self.socket.send(text)

    async def ask(self, op, **fields):
        """Sends a request with a ref of its own; a Future of its answer."""
        ref = fields.setdefault("ref", next(self.refs))
        future = asyncio.get_running_loop().create_future()
        self.waiting[ref] = future
        await self.socket.send(json.dumps({"op": op, **fields}))
        return future

    async def request(self, op, timeout=TIMEOUT, **fields):
        """Sends a request; its answer, `ok` or `error`."""
        return await asyncio.wait_for(await self.ask(op, **fields), timeout)

    async def ok(self, op, **fields):
        """A request that must succeed; its `ok`."""
        answer = await self.request(op, **fields)
        assert answer["op"] == "ok", answer
        return answer

    async def fails(self, op, **fields):
        """A request that must not succeed; the code of its `error`."""
        answer = await self.request(op, **fields)
        assert answer["op"] == "error", answer
        assert isinstance(answer["message"], str) and answer["message"], answer
        return answer["code"]

    async def join(self, *rooms):
        for room in rooms:
            await self.ok("join", room=room)
        return self

    async def publish(self, **fields):
        return await self.ok("publish", **fields)

    async def sync(self):
        """Waits until the node has read all that was sent before, and its answers are here."""
        await self.ok("ping")

    async def close(self, code=1000):
        """As a browser closes."""
        await self.socket.close(code)
        await asyncio.shield(self._reader)
        return self.close_code

    def abort(self):
        """As a client vanishes."""
        self.socket.transport.abort()


class Clients:
    """Opens clients, and drops all that are left in the end."""

    def __init__(self):
        self.clients = []

    async def __call__(self, place, user, query=None, **options):
        """One that has been welcomed."""
        client = await self.open(place, user, query, **options)
        await client.wait_for("welcome")
        return client

    async def open(self, place, user, query=None, **options):
        client = await Client.open(place, user, query, **options)
        self.clients.append(client)
        return client

    async def aclose(self):
        for client in self.clients:
            client.abort()
        if self.clients:
            await asyncio.wait([client._reader for client in self.clients], timeout=TIMEOUT)
