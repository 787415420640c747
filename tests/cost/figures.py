"""The figures: how each is measured, and what none may do whatever it costs."""

import contextlib
from typing import NamedTuple

from gridtest.broker import Grid

from .callgrind import LOOP, Cost, CountedNode
from .load import BURST, FIRST_MEMBER, ROOM, TEXT, Load

FEW, MANY = 20, 120  # members of the room
# The same for bursts: with more of them a turn would take so long, under callgrind, that it is cut in two (2 ms).
BURST_FEW, BURST_MANY = 10, 30
WARM_UP = 10  # times, before anything is counted: buffers and pools have their size then
# Node and clients wait for each other, so a busy machine can only add: a turn cut in two, a wake-up more. And now and then a
# node does something of its own. So the cheapest part is what counts; short ones, so that some are without that.
PARTS = 10

TICK = "on_timer"  # what the loop calls every 100 ms: a machine that is slower has more of them in a measurement
IDLE_TICKS = 5     # in a part

CALLS = {
    "allocations": r"(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign)(@.*)?",
    "copies": r"_*mem(cpy|move|pcpy)(_chk)?(_\w+)?(@.*)?",
    "writes": r"_*(send|sendto|sendmsg|sendmmsg|write|writev)(@.*)?",
    "registrations": r"epoll_ctl(@.*)?",
}
# A node may write a few times for reasons of its own, spread here over thousands of deliveries.
CALLS_SLACK = 0.02


class Figure(NamedTuple):
    name: str
    title: str
    kept: str             # the measurement in which it can be looked at
    limits: dict = {}     # of CALLS: at most so many


EACH = {"allocations": 0, "copies": 0, "writes": 1, "registrations": 0}
# The one allocation for all of them is the ring of what waits (src/core/outq.h): made when a second frame comes to a socket
# before the flush, and freed when it is empty, so that a connection where nothing waits is small. A second allocation, or
# one for each frame, is more than an eighth for each.
EACH_OF_BURST = {"allocations": 1 / BURST, "copies": 1, "writes": 1 / BURST, "registrations": 0}

FIGURES = {figure.name: figure for figure in (
    Figure("local.delivery", "a delivery: one more receiver of a room's message", "room-many", limits=EACH),
    Figure("local.burst", f"a delivery when {BURST} messages come at once", "burst-many", limits=EACH_OF_BURST),
    Figure("local.message", "a room's message from `publish` to `ok`, without its deliveries", "room-few"),
    Figure("local.notification", "a user's message from `publish` to `ok`, with its one delivery", "notification"),
    Figure("local.ping", "`ping` and its answer", "ping"),
    Figure("local.join", "`join` and `leave` of a room that others are in", "join"),
    Figure("local.connection", "a connection: handshake to `welcome`", "connection"),
    Figure("local.close", "its end, closed by the client", "close"),
    Figure("rabbitmq.delivery", "a delivery: one more receiver of a room's message", "room-many", limits=EACH),
    Figure("rabbitmq.message", "a room's message that comes alone: decoded, acknowledged, that checked; without its deliveries",
           "room-few"),
    Figure("rabbitmq.notification", "a user's message that comes alone, the same with its one delivery", "notification"),
    Figure("rabbitmq.publish", "`publish` to `ok`: encoded, confirmed", "publish"),
)}

# Nothing comes from timers meanwhile, and a client that waits for its turn is not asked whether it lives.
QUIET = {"heartbeat.interval": "10m", "heartbeat.idle_timeout": "30m"}
QUIET_LINKS = {"bus.rabbitmq.heartbeat": "600s", "node.dead_after": "0"}


def _all(costs):
    return sum(costs.values(), Cost())


def without_idle(costs, tick):
    """What was counted without what the node would have done in that time anyway, which its ticks tell."""
    ticks = costs[LOOP].calls[TICK]
    return {thread: cost - tick[thread] * ticks for thread, cost in costs.items()}


def cheapest(parts):
    """Of each thread."""
    return {thread: min((part[thread] for part in parts), key=lambda cost: cost.instructions) for thread in parts[0]}


class Meter:
    """Measures things done again and again on one node."""

    def __init__(self, node):
        self.node = node
        node.wait_settled()
        node.count_anew()
        self.tick = cheapest([self._tick() for _ in range(PARTS)])

    def _tick(self):
        """{thread: Cost} of a tick with nothing to do."""
        self.node.wait_ticks(IDLE_TICKS)
        costs = self.node.counted("idle")
        return {thread: cost / costs[LOOP].calls[TICK] for thread, cost in costs.items()}

    def __call__(self, name, times, act):
        """{thread: Cost} of doing it once."""
        for _ in range(WARM_UP):
            self._once(act)
        self.node.count_anew()
        return cheapest([self._part(name, times // PARTS, act) for _ in range(PARTS)])

    def _part(self, name, times, act):
        for _ in range(times):
            self._once(act)
        return {thread: cost / times for thread, cost in without_idle(self.node.counted(name), self.tick).items()}

    def _once(self, act):
        act()
        # Else a part of it is done at once one time, the next time together with what comes next.
        self.node.wait_settled()


@contextlib.contextmanager
def _measured(node):
    """(Meter, Load) of a node started for that."""
    node.start(timeout=120)
    try:
        with contextlib.closing(Load(node)) as load:
            yield Meter(node), load
        assert node.stop(timeout=60) == 0, node.log
    finally:
        if node.running():
            node.process.kill()


def local(folder):
    """{figure: Cost}"""
    with _measured(CountedNode(folder, "local", {"bus.driver": "local", **QUIET})) as (meter, load):
        load.have_members(BURST_FEW)
        burst_few = _all(meter("burst-few", 40, load.publish_burst))
        load.have_members(FEW)
        few = _all(meter("room-few", 100, load.publish_to_room))
        notification = _all(meter("notification", 100, load.publish_to_user))
        ping = _all(meter("ping", 100, load.ping))
        join = _all(meter("join", 100, load.join_and_leave))
        connection = _all(meter("connection", 60, load.connect))
        close = _all(meter("close", 60, load.disconnect))
        load.have_members(BURST_MANY)
        burst_many = _all(meter("burst-many", 40, load.publish_burst))
        load.have_members(MANY)
        many = _all(meter("room-many", 100, load.publish_to_room))
    delivery = (many - few) / (MANY - FEW)
    return {
        "local.delivery": delivery,
        "local.burst": (burst_many - burst_few) / ((BURST_MANY - BURST_FEW) * BURST),
        "local.message": few - delivery * FEW,
        "local.notification": notification,
        "local.ping": ping,
        "local.join": join,
        "local.connection": connection,
        "local.close": close,
    }


class Backend:
    """A program that publishes over AMQP, in lock-step with the members of the room."""

    def __init__(self, grid, load):
        self.grid, self.load = grid, load
        self.connection = grid.connect("publisher")
        self.channel = self.connection.channel()

    def close(self):
        self.connection.close()

    def to_room(self):
        self.channel.basic_publish(f"{self.grid.prefix}.rooms", f"room.{ROOM}", f'"{TEXT}"')
        self.load.members_have()

    def to_user(self):
        self.channel.basic_publish(f"{self.grid.prefix}.users", f"user.{FIRST_MEMBER}", f'"{TEXT}"')
        self.load.member_notified()


def rabbitmq(folder, broker):
    """{figure: Cost}"""
    grid = Grid(broker, "cost")
    grid.create()
    settings = {"bus.driver": "rabbitmq", "bus.rabbitmq.addresses": broker.address, "bus.rabbitmq.vhost": grid.vhost,
                "bus.rabbitmq.user": grid.account("node"), "bus.prefix": grid.prefix, **QUIET, **QUIET_LINKS}
    node = CountedNode(folder, "rabbitmq", settings, {"GRIDNODE_BUS_RABBITMQ_PASSWORD": grid.password("node")})
    with _measured(node) as (meter, load), contextlib.closing(Backend(grid, load)) as backend:
        load.have_members(FEW)
        few = _all(meter("room-few", 100, backend.to_room))
        notification = _all(meter("notification", 100, backend.to_user))
        publish = _all(meter("publish", 100, load.publish_to_nobody))
        load.have_members(MANY)
        many = _all(meter("room-many", 100, backend.to_room))
    delivery = (many - few) / (MANY - FEW)
    return {
        "rabbitmq.delivery": delivery,
        "rabbitmq.message": few - delivery * FEW,
        "rabbitmq.notification": notification,
        "rabbitmq.publish": publish,
    }
