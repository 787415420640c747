"""What is measured: the scenarios, who runs in each, and the tables they become. Rounds are interleaved: all contenders of
a scenario run once, then all once more, so that a machine that gets slower or faster does so for all."""

import dataclasses

from . import generator, runs, systems
from .generator import SATURATED
from .search import FAILS, HOLDS, UNKNOWN, highest

ROOM = 500  # connections
SLOWEST_MS, SLOWEST_RATE = 250, 25  # of a search
NAMES = systems.SYSTEMS


@dataclasses.dataclass(frozen=True)
class Column:
    """Of a scenario's table. `base`: shown as the ratio to that contender of the scenario, or of the named one."""

    title: str
    measure: str
    form: str = "{:.2f}"
    base: tuple = ()


@dataclasses.dataclass(frozen=True)
class Contender:
    title: str
    run: object          # run(place): measures
    systems: tuple = ()  # names in SYSTEMS of what it needs
    last: bool = False   # in each round: it goes by what another one has found in it


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    contenders: dict
    columns: tuple


def fan_out(*names):
    return {name: Contender(NAMES[name].title, runs.plain(NAMES[name], "room500"), (name,)) for name in names}


class Highest:
    """Looks for the highest rate at which a system keeps what was promised; in later rounds near what the one before found.
    `tried`: [(deliveries/s, p99)] of everything that was tried on the way."""

    def __init__(self, system, first):
        self.system, self.first, self.found = system, first, None

    def __call__(self, place):
        tried = []

        def try_at(rate):
            tried.append(self._attempt(place, rate))
            return outcome(tried[-1]["why"])

        if self.found:
            self.found = highest(try_at, self.found, up=1.15, down=1.3, steps=3, halvings=1, floor=SLOWEST_RATE)
        else:
            self.found = highest(try_at, self.first, floor=SLOWEST_RATE)
        assert self.found, f"{self.system.title}: holds at no rate, {', '.join(tried[-1]['why'])}"
        best = next(one for one in tried if one["rate"] == self.found)
        return {**best["measures"], "rate": self.found, "ended_by": ended_by(tried, self.found),
                "tried": [[one["measures"]["per_s"], one["measures"]["p99_ms"]] for one in tried]}

    def _attempt(self, place, rate):
        result = runs.run_system(place, self.system, "room500-max", rate=round(rate))
        held = generator.measures(result)
        reached = result["publishes"]["measured"] / result["seconds"] / rate
        return {"rate": rate, "measures": held, "why": why_not(held, reached)}


def why_not(held, reached):
    """What of the promise did not hold, in words."""
    why = list(held["problems"])
    if held["p99_ms"] >= SLOWEST_MS:
        why.append(f"p99 {held['p99_ms']:.0f} ms")
    if reached < 0.97:
        why.append(f"{reached:.0%} of the rate")
    return why


def outcome(why):
    """A generator at its own end says nothing about the system: at a higher rate it may do with less, as it finds more
    frames at each read."""
    if SATURATED in why:
        return UNKNOWN
    return FAILS if why else HOLDS


def ended_by(tried, found):
    """Why it is not more: what was tried next above it."""
    above = [one for one in tried if one["rate"] > found]
    if not above:
        return "the number of its steps"
    why = min(above, key=lambda one: one["rate"])["why"]
    return ", ".join("the generator" if one == SATURATED else one for one in why)


class AtRateOf:
    """A system at nine tenths of what was the highest rate of another one."""

    def __init__(self, system, other):
        self.system, self.other = system, other

    def __call__(self, place):
        assert self.other.found, f"no rate of {self.other.system.title} is known"
        return generator.measures(runs.run_system(place, self.system, "room500-max", rate=round(self.other.found * 0.9)))


def highest_rates():
    """The first guesses are near what each can do, to save steps."""
    searches = {name: Highest(NAMES[name], first) for name, first in (
        ("limit-batch", 16000), ("nats", 5000), ("local", 16000), ("rabbitmq", 9000))}
    found = {name: Contender(NAMES[name].title, search, (name,)) for name, search in searches.items()}
    found["local-at-nats"] = Contender("gridnode, local, at 0.9 of nats-server's rate",
                                       AtRateOf(NAMES["local"], searches["nats"]), ("local", "nats"), last=True)
    return found


def rows(systems_of, scenario, run=runs.plain, **options):
    return {name: Contender(system.title, run(system, scenario, **options), (base,))
            for name, system, base in systems_of}


LIMIT = ("room500", "limit")
CPU = (Column("CPU per delivery, × the limit", "cpu_us", base=LIMIT), Column("µs", "cpu_us"))
TIMES = (Column("p50 ms", "p50_ms"), Column("p99 ms", "p99_ms"))
GENERATOR = (Column("gridbench, of a core", "generator", "{:.0%}"), Column("and waited for it", "generator_waits", "{:.0%}"))
RABBIT, BRIDGE, PIPE = NAMES["rabbitmq"], NAMES["bridge"], "bare rabbitmq-c"
ALONE = "the limit: received and sent on"

SCENARIOS = (
    Scenario("room500", "One room of 500, 100 messages a second of 128 bytes",
             {**fan_out("limit", "limit-batch", "local", "rabbitmq", "redis", "nats", "nchan", "bridge", "socketio"),
              # A tenth of the rate, as it cannot keep up with all of it, and for longer, so that there are some messages.
              "stomp": Contender(f"{NAMES['stomp'].title}, 10/s",
                                 runs.plain(NAMES["stomp"], "room500", rate=10, duration="8s"),
                                 ("stomp",))},
             (*CPU, *TIMES, Column("broker µs", "beside_us"), *GENERATOR)),
    Scenario("room500-max", "The same room, at the highest rate with p99 below 250 ms and nothing lost", highest_rates(),
             (Column("deliveries/s, × nats-server", "per_s", base=("room500-max", "nats")), *CPU,
              Column("p99, × nats-server", "p99_ms", base=("room500-max", "nats")),
              Column("deliveries/s", "per_s", "{:,.0f}"), Column("p99 ms", "p99_ms", "{:.1f}"), *GENERATOR)),
    Scenario("rooms", "500 rooms of 10, 500 messages a second by AMQP", {
        **rows([("rabbitmq", RABBIT, "rabbitmq"), ("bridge", BRIDGE, "bridge")], "rooms"),
        # A publisher has a connection for each room.
        "limit": Contender(ALONE, runs.plain(NAMES["limit"], "rooms", publishers=1), ("limit",)),
        "idle-1000": Contender(f"{RABBIT.title}, 1,000 idle beside", runs.beside_idle(1000), ("rabbitmq",)),
        "idle-15000": Contender(f"{RABBIT.title}, 15,000 idle beside", runs.beside_idle(15000), ("rabbitmq",)),
    }, (Column("CPU per delivery, × the bridge", "cpu_us", base=("rooms", "bridge")),
        Column("× the limit there", "cpu_us", base=("rooms", "limit")), *CPU, *TIMES, *GENERATOR)),
    Scenario("users", "5,000 users, 2,000 notifications a second to single ones by AMQP", {
        **rows([("rabbitmq", RABBIT, "rabbitmq"), ("bridge", systems.BridgeUsers, "bridge")], "users"),
        "pipe": Contender(PIPE, runs.pipe(rate=2000, duration="3s", keys=5000)),
        # A publisher has a connection for each user.
        "limit": Contender(ALONE, runs.plain(systems.LimitUsers, "users", publishers=1), ("limit",)),
    }, (Column("CPU each, × the bridge", "cpu_us", base=("users", "bridge")),
        Column("× the limit", "cpu_us", base=("users", "limit")),
        Column("p99, × rabbitmq-c", "p99_ms", base=("users", "pipe")), Column("CPU µs", "cpu_us"), *TIMES, *GENERATOR)),
    Scenario("idle", "10,000 connections in one room and with one user each, idle", {
        **rows([("rabbitmq", RABBIT, "rabbitmq"), ("local", NAMES["local"], "local"),
                ("bridge", systems.BridgeBoth, "bridge"), ("nchan", systems.NchanTwice, "nchan")], "idle", runs.memory),
        **rows([("nats", NAMES["nats"], "nats")], "idle", runs.memory, rooms_per_user=2),
        **{name: Contender(f"{NAMES[name].title}, 2,000 connections",
                           runs.memory(NAMES[name], "idle", rooms_per_user=2, connections=2000), (name,))
           for name in ("socketio", "stomp")},
    }, (Column("KB a connection, × gridnode", "kb", base=("idle", "rabbitmq")), Column("KB", "kb"))),
    Scenario("relay", "Published by a client of one node, confirmed, delivered by another: 1,000 a second", {
        "rabbitmq": Contender("two gridnodes, rabbitmq", runs.plain(systems.Relay, "relay"), ("rabbitmq",)),
        "pipe": Contender(PIPE, runs.pipe(rate=1000, duration="3s", keys=100)),
        "limit": Contender(ALONE, runs.plain(NAMES["limit"], "relay"), ("limit",)),
    }, (Column("p99, × rabbitmq-c", "p99_ms", base=("relay", "pipe")),
        Column("CPU each, × the limit", "cpu_us", base=("relay", "limit")),
        Column("× one send of a room", "cpu_us", base=LIMIT), Column("CPU µs", "cpu_us"), *TIMES,
        Column("confirm p99 ms", "ack_p99_ms"), *GENERATOR)),
    Scenario("storm", "10,000 users connecting", {
        "rabbitmq": Contender(RABBIT.title, runs.storm, ("rabbitmq",)),
        "bare": Contender("bare pipelined binder, bare consumer beside", runs.bare_storm),
    }, (Column("keys/s, × the bare binder", "keys_per_s", base=("storm", "bare")),
        Column("p99 of others, × the bare consumer", "p99_ms", base=("storm", "bare")),
        Column("keys/s", "keys_per_s", "{:,.0f}"), Column("p99 of others, ms", "p99_ms", "{:.1f}"))),
    Scenario("reconnect", "The link to the broker is cut and comes back, 20,000 keys, the queue survived", {
        "rabbitmq": Contender(RABBIT.title, runs.reconnect, ("rabbitmq",)),
    }, (Column("seconds until a message comes through again", "seconds"),)),
)
