"""A node that is told to stop, under load: every client knows what became of what it has sent, and nothing queued for it
is cut off."""

import asyncio
import json
import signal
import time

from gridtest.raw import CLOSE, Raw, frame

CLIENTS = 20
BATCH = 20      # publishes each client has under way
SPREAD_MS = 2000


class Load:
    """A client that publishes all the time, many at once, until it is closed."""

    def __init__(self, client, number):
        self.client, self.number = client, number
        self.asked = {}     # data -> Future of the answer
        self.task = asyncio.create_task(self.run())

    async def run(self):
        for i in range(1000000):
            data = f"{self.number}.{i}"
            try:
                self.asked[data] = await self.client.ask("publish", room="drain", data=data)
            except Exception:  # what the library says of a closed socket
                return
            if i % BATCH == BATCH - 1:
                await asyncio.wait(self.asked.values())
                if self.client.closed:
                    return

    def answered(self):
        """What was answered `ok`. Those not answered fail when the connection ends."""
        answers = {data: future.result() for data, future in self.asked.items()
                   if future.done() and not future.exception()}
        assert {answer["op"] for answer in answers.values()} == {"ok"}
        return set(answers)


async def test_a_node_stops_under_load(nodes, grid, connect):
    node, other = nodes.on(grid), nodes.on(grid)
    observer = await connect(other, "observer")
    await observer.join("drain")
    clients = [await connect(node, f"drain-{i}") for i in range(CLIENTS)]
    loads = [Load(client, i) for i, client in enumerate(clients)]
    await observer.until(lambda: len(observer.data()) >= 500)

    started = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    codes = [await client.wait_closed() for client in clients]
    assert await asyncio.to_thread(node.wait_exit) == 0
    assert time.monotonic() - started < 10
    assert codes == [1012] * CLIENTS

    byes = [client.got("bye") for client in clients]
    assert all(len(bye) == 1 and bye[0]["code"] == "drain" for bye in byes)
    retries = sorted(bye[0]["retry_ms"] for bye in byes)
    assert 0 <= retries[0] and retries[-1] <= SPREAD_MS
    assert max(b - a for a, b in zip(retries, retries[1:])) <= 4 * SPREAD_MS / CLIENTS

    # Answered, or never taken: what is published again after the reconnect comes once.
    for load in loads:
        await load.task
    await observer.publish(room="drain", data="end")
    await observer.wait_data("end")
    seen = observer.data()[:-1]
    assert len(seen) == len(set(seen))
    assert set(seen) == set().union(*(load.answered() for load in loads))


async def test_what_is_queued_goes_out_before_the_close(nodes, connect):
    node = nodes.local()
    publisher = await connect(node, "publisher")
    slow = Raw(node, receive_buffer=4096).welcomed("slow")
    slow.send(frame(json.dumps({"op": "join", "room": "queued", "ref": 1})))
    assert b'"op":"ok"' in slow.read().payload
    sent = 0
    while node.metric("grid_queued_bytes") < 200000:
        await publisher.publish(room="queued", data=[sent, "x" * 30000])
        sent += 1
    node.process.send_signal(signal.SIGTERM)

    def read_on():
        frames = []
        while (received := slow.read()) is not None and received.opcode != CLOSE:
            frames.append(json.loads(received.payload))
        slow.send(frame(received.payload, CLOSE))
        return frames, received.code
    frames, code = await asyncio.to_thread(read_on)
    slow.socket.close()
    assert [f["data"][0] for f in frames[:-1]] == list(range(sent))
    assert frames[-1]["op"] == "bye" and code == 1012
    assert await asyncio.to_thread(node.wait_exit) == 0
