"""A node that starts again: with a journal it goes on with the queue of the process before, as it is; without one it
says why not, and starts clean. And a queue whose broker is away."""

import asyncio
import itertools
import threading

import pytest

from gridtest.tcpproxy import Proxy
from gridtest.util import wait_for

FAST = {"bus.rabbitmq.heartbeat": "2s", "bus.rabbitmq.reconnect_min": "50ms", "bus.rabbitmq.reconnect_max": "500ms",
        "linger.room": "3s"}

_names = itertools.count(1)


async def until(condition, timeout=90, what=None):
    """wait_for() beside which clients go on."""
    return await asyncio.to_thread(wait_for, condition, timeout, what, 0.05)


class Restarted:
    """One node that is ended and started again, and what it has on the broker."""

    def __init__(self, nodes, grid, folder, **more):
        self.grid = grid
        self.state = folder
        self.node = nodes.on(grid, {**FAST, "node.id": f"again{next(_names)}", "state_dir": folder}, **more)
        self.queue = f"{grid.prefix}.node.{self.node.id}"
        self.since = 0

    @property
    def journal(self):
        return self.state / f"{self.queue}.journal"

    def bound(self, queue=None):
        """{routing key} of users and rooms."""
        rows = self.grid.bindings_of("users") + self.grid.bindings_of("rooms")
        return {key for name, key in rows if name == (queue or self.queue)}

    def written(self):
        """The journal has the answers to all that was bound and unbound."""
        marks = {line[1:]: line[0] for line in self.journal.read_text().splitlines() if line[0] in "+=~-"}
        return set(marks.values()) <= {"=", "-"}

    def kill(self):
        self.node.kill()
        self.since = len(self.node.log)

    def log(self):
        """What this process has said."""
        return self.node.log[self.since:]

    def wait_log(self, pattern):
        return self.node.wait_log(pattern, start=self.since)


@pytest.fixture
def again(nodes, grid, tmp_path):
    return Restarted(nodes, grid, tmp_path)


class Watch:
    """Looks at the bindings all the time, in a thread."""

    def __init__(self, again):
        self.again, self.seen, self.done = again, [], threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.done.is_set():
            self.seen.append(self.again.bound())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


async def flows(client, backend, room):
    user = client.welcome["user"]
    mark = f"flows-{next(_names)}"
    await asyncio.to_thread(backend.to_user, user, mark)
    await client.wait_data(mark, op="notify")
    await asyncio.to_thread(backend.to_room, room, mark)
    await client.wait_data(mark)


# With a journal


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_goes_on_with_its_queue_and_bindings(again, backend, offline, connect, how):
    client = await connect(again.node, "42")
    await client.join("rejoined", "left.alone")
    await until(again.written)
    before = again.bound()
    assert before == {"user.42.#", "room.rejoined", "room.left.alone"}

    with Watch(again) as watch:
        if how == "killed":
            await asyncio.to_thread(again.kill)
        else:
            assert await asyncio.to_thread(again.node.stop) == 0
            again.since = len(again.node.log)
        for i in range(20):
            await asyncio.to_thread(backend.to_user, "42", i, message_id=f"{how}-{i}")
        again.node.spawn()
        await asyncio.to_thread(again.node.wait_ready)
    assert all(seen == before for seen in watch.seen), watch.seen
    assert "bus.warm_start" in again.log() and "keys=3 unsure=0" in again.log()
    assert "bus.queue_reset" not in again.log() and "rebind=all" not in again.log()
    assert again.node.metric("grid_bus_restored_total") == 3

    # On a socket or in the offline queue: nothing of what was published meanwhile is lost.
    client = await connect(again.node, "42")
    await client.join("rejoined")

    def arrived():
        offline.take_all()
        kept = {int(body) for key, _, body in offline.taken if key == "user.42"}
        return kept | set(client.data("notify")) >= set(range(20))
    await until(arrived, what="all 20 notifications")

    # What nobody has come back for is unbound in the end.
    await until(lambda: again.bound() == {"user.42.#", "room.rejoined"}, what="the other room is unbound")
    await flows(client, backend, "rejoined")


async def test_goes_on_again_and_again(again, backend, connect):
    """Each process writes what the next one needs, also about keys it has itself found bound."""
    client = await connect(again.node, "over")
    await client.join("over")
    epochs = set()
    for i in range(4):
        await until(again.written)
        await asyncio.to_thread(again.kill)
        await asyncio.to_thread(again.node.start)
        epochs.add(again.wait_log(r"bus\.warm_start .*epoch=(\w+) keys=\d+ unsure=0").group(1))
        client = await connect(again.node, "over")
        await client.join("over", f"more.{i}")
        await flows(client, backend, "over")
    assert len(epochs) == 1


async def test_killed_in_the_middle_of_binding_nothing_stays_bound(again, backend, connect):
    """Whatever the broker had done by then, the journal knows at least as much."""
    for round in range(3):
        client = await connect(again.node, f"storm{round}")
        for i in range(150):
            await client.ask("join", room=f"storm.{round}.{i}")
            if i % 3 == 0:
                await client.ask("leave", room=f"storm.{round}.{i // 2}")
        await until(lambda: len(again.bound()) > 20 * (round + 1))
        await asyncio.to_thread(again.kill)
        await asyncio.to_thread(again.node.start)
        assert "bus.warm_start" in again.log()
    await until(lambda: again.bound() == set(), what="all of it unbound")
    client = await connect(again.node, "after")
    await client.join("after")
    await flows(client, backend, "after")


# Without one


async def test_without_a_state_dir_it_starts_clean(again, connect, offline, backend):
    client = await connect(again.node, "none")
    await client.join("none")
    await asyncio.to_thread(again.kill)
    await asyncio.to_thread(backend.to_user, "none", "kept")
    del again.node.settings["state_dir"]
    await asyncio.to_thread(again.node.start)
    assert 'why="state_dir is not set"' in again.wait_log(r"bus\.queue_reset .*").group(0)
    await asyncio.to_thread(offline.wait_for, "user.none", b'"kept"')
    assert again.bound() == set()


def changed(old, new):
    return lambda text: text.replace(old, new, 1)


BROKEN = {
    "removed": (None, "there is no journal"),
    "empty": (lambda text: "", "unreadable"),
    "cut in its header": (lambda text: text[:30], "unreadable"),
    "garbage": (lambda text: text + "\0\0\0\0\n", "unreadable"),
    "a key that is none": (lambda text: text + "=user.%2e\n", "unreadable"),
    "another version": (changed("grid-journal 1", "grid-journal 2"), "another version"),
    "another boot": (changed("boot ", "boot x"), "the machine has booted"),
    "another virtual host": (changed("vhost ", "vhost x"), "another virtual host"),
    "another queue": (changed("queue grid", "queue xgrid"), "another queue"),
}


@pytest.mark.parametrize("change, why", BROKEN.values(), ids=BROKEN.keys())
async def test_a_journal_that_cannot_be_trusted(again, backend, connect, change, why):
    client = await connect(again.node, "doubt")
    await client.join("doubt")
    await asyncio.to_thread(again.kill)
    if change:
        again.journal.write_text(change(again.journal.read_text()))
    else:
        again.journal.unlink()
    await asyncio.to_thread(again.node.start)
    assert why in again.wait_log(r"bus\.queue_reset .*").group(0)
    assert "bus.warm_start" not in again.log() and again.bound() == set()
    client = await connect(again.node, "doubt")
    await client.join("doubt")
    await flows(client, backend, "doubt")
    # And the new one is good.
    await until(again.written)
    await asyncio.to_thread(again.kill)
    await asyncio.to_thread(again.node.start)
    assert "keys=2 unsure=0" in again.wait_log(r"bus\.warm_start .*").group(0)


async def test_a_line_that_was_being_written_does_no_harm(again, connect):
    await connect(again.node, "torn")
    await until(again.written)
    await asyncio.to_thread(again.kill)
    with open(again.journal, "a") as journal:
        journal.write("+room.to")
    await asyncio.to_thread(again.node.start)
    assert "keys=1 unsure=0" in again.wait_log(r"bus\.warm_start .*").group(0)


def test_a_state_dir_that_is_not_there_is_said_before_anything_opens(nodes, grid, tmp_path):
    node = nodes.new_on(grid, {**FAST, "state_dir": tmp_path / "missing"}).spawn()
    node.exit_codes = {2}
    assert node.wait_exit() == 2
    assert "--set: state_dir: expected a folder to write to" in node.log and "install -d -o " in node.log
    assert "node.started" not in node.log


# What others do to the queue, or with the id


async def test_a_second_process_changes_neither_the_queue_nor_the_journal(again, nodes, grid, backend, connect):
    client = await connect(again.node, "twice")
    await client.join("twice")
    await until(again.written)
    before = again.bound(), again.journal.read_bytes(), sorted(again.state.iterdir())
    second = nodes.new_on(grid, again.node.settings)
    second.log_path = second.log_path.with_name("second.log")
    second.exit_codes = {3}
    second.spawn()
    assert await asyncio.to_thread(second.wait_exit, 60) == 3
    assert "is taken" in second.log
    assert (again.bound(), again.journal.read_bytes(), sorted(again.state.iterdir())) == before
    await flows(client, backend, "twice")
    await asyncio.to_thread(again.kill)
    await asyncio.to_thread(again.node.start)
    assert "keys=2 unsure=0" in again.wait_log(r"bus\.warm_start .*").group(0)


async def test_a_queue_that_has_gone_meanwhile(again, grid, backend, connect):
    client = await connect(again.node, "gone")
    await client.join("gone")
    await until(again.written)
    await asyncio.to_thread(again.kill)
    grid.api("DELETE", "queues", again.queue)
    await asyncio.to_thread(again.node.start)
    assert "keys=2" in again.wait_log(r"bus\.queue_gone .*").group(0)
    assert again.bound() == set() and again.node.metric("grid_bus_restored_total") == 0
    client = await connect(again.node, "gone")
    await client.join("gone")
    await flows(client, backend, "gone")


async def test_a_queue_that_somebody_has_made_anew_meanwhile(again, grid, backend, connect):
    """Found by the check: the journal is believed at first."""
    client = await connect(again.node, "bare")
    await client.join("bare")
    await asyncio.to_thread(again.kill)
    grid.api("DELETE", "queues", again.queue)
    grid.api("PUT", "queues", again.queue, body={"durable": True, "auto_delete": False,
                                                 "arguments": {"x-expires": 86400000}})
    await asyncio.to_thread(again.node.start)
    assert "what should be bound to it is not" in again.wait_log(r"bus\.queue_reset .*").group(0)
    assert again.node.metric("grid_rabbitmq_loopbacks_returned_total") == 1
    assert again.bound() == set()
    client = await connect(again.node, "bare")
    await client.join("bare")
    await flows(client, backend, "bare")


async def test_a_journal_of_before_another_process(again, backend, connect):
    """Started once without state_dir, the journal is old. What that process has bound does not stay."""
    await connect(again.node, "old")
    await asyncio.to_thread(again.kill)
    del again.node.settings["state_dir"]
    await asyncio.to_thread(again.node.start)
    client = await connect(again.node, "between")
    await client.join("between")
    await asyncio.to_thread(again.kill)
    again.node.settings["state_dir"] = again.state
    await asyncio.to_thread(again.node.start)
    assert "what should be bound to it is not" in again.wait_log(r"bus\.queue_reset .*").group(0)
    assert again.bound() == set()


# A queue whose broker is away


class Home:
    """What a broker of a cluster says about a durable queue of another one that is down, and how it routes: the queue is
    in the table of durable queues and not in that of running ones."""

    def __init__(self, grid, queue):
        self.broker = grid.broker
        self.name = f'N = rabbit_misc:r(<<"{grid.vhost}">>, queue, <<"{queue}">>), '

    def leaves(self):
        self.broker.ctl("eval", self.name + "{atomic, ok} = mnesia:transaction(fun() -> "
                                            "[Q] = mnesia:read({rabbit_queue, N}), persistent_term:put(N, Q), "
                                            "mnesia:delete({rabbit_queue, N}) end).")

    def returns(self):
        self.broker.ctl("eval", self.name + "{atomic, ok} = mnesia:transaction(fun() -> "
                                            "mnesia:write(rabbit_queue, persistent_term:get(N), write) end).")


async def test_a_queue_whose_broker_is_away(nodes, grid, broker, backend, connect, tmp_path):
    with Proxy((broker.host, broker.amqp_port)) as proxy:
        again = await asyncio.to_thread(Restarted, nodes, grid, tmp_path, address=proxy.address)
        node, home = again.node, Home(grid, again.queue)
        client = await connect(node, "away")
        await client.join("away")

        home.leaves()
        try:
            proxy.cut()
            match = await asyncio.to_thread(node.wait_log, r"warn bus\.queue_away queue=(\S+) why=\"(.*)\" fallback=(\S+)")
            assert match.group(1) == again.queue and "is down or inaccessible" in match.group(2)
            fallback = match.group(3)
            await until(lambda: again.bound(fallback) == {"user.away.#", "room.away"}, what="all bound on the fallback")
            await asyncio.to_thread(node.wait_ready)
            await flows(client, backend, "away")
            assert node.log.count("bus.queue_left ") == 1

            # It is this process' queue now: a lost link comes back to it, with what is bound.
            losses = node.metric('grid_rabbitmq_losses_total{link="consumer"}')
            proxy.cut()
            await until(lambda: node.metric('grid_rabbitmq_losses_total{link="consumer"}') > losses and node.ready())
            await flows(client, backend, "away")
            assert node.metric("grid_rabbitmq_queue_fallbacks_total") == 1

            # So does the next process.
            await asyncio.to_thread(again.kill)
            await asyncio.to_thread(node.start)
            assert again.wait_log(r"bus\.warm_start queue=(\S+)").group(1) == fallback
            assert f"queue={again.queue}" in again.wait_log(r"bus\.queue_left .*").group(0)
            client = await connect(node, "away")
            await client.join("away")
            await flows(client, backend, "away")
        finally:
            home.returns()

        # The one left behind is forgotten once it is gone.
        assert f"left {again.queue}\n" in again.journal.read_text()
        grid.api("DELETE", "queues", again.queue)
        proxy.cut()
        assert f"queue={again.queue}" in again.wait_log(r"bus\.queue_left_gone .*").group(0)
        assert "left " not in again.journal.read_text()
        await asyncio.to_thread(node.wait_ready)
        await flows(client, backend, "away")


async def test_a_queue_whose_broker_is_away_when_the_node_starts(again, grid, backend, connect):
    client = await connect(again.node, "start")
    await client.join("start")
    await asyncio.to_thread(again.kill)
    home = Home(grid, again.queue)
    home.leaves()
    try:
        await asyncio.to_thread(again.node.start)
        fallback = again.wait_log(r"bus\.queue_away .*fallback=(\S+)").group(1)
        assert again.bound(fallback) == set() and again.node.metric("grid_bus_restored_total") == 0
        client = await connect(again.node, "start")
        await client.join("start")
        await flows(client, backend, "start")
    finally:
        home.returns()
