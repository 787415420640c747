"""What must hold, as ratios within one run, and whether it does."""

import dataclasses

AT_MOST, AT_LEAST = "≤", "≥"
MET, NOT_MET, UNKNOWN = "met", "**not met**", "not measured"


@dataclasses.dataclass(frozen=True)
class Bar:
    scenario: str
    what: str
    must: str     # AT_MOST or AT_LEAST
    limit: float
    unit: str     # said behind the number: what it is a multiple of, or what it is counted in
    measured: object  # measured(results): the number, None when that did not run

    def value(self, results):
        return self.measured(results)

    def verdict(self, results):
        value = self.value(results)
        if value is None:
            return UNKNOWN
        return MET if (value <= self.limit if self.must == AT_MOST else value >= self.limit) else NOT_MET


def ratio(scenario, contender, name, to, to_scenario=None, to_name=None):
    """Of one contender's median to another's."""
    return lambda results: results.ratio((scenario, contender, name), (to_scenario or scenario, to, to_name or name))


def to_limit(scenario, contender):
    """CPU of a delivery as a multiple of one send() in a room of 500."""
    return ratio(scenario, contender, "cpu_us", "limit", "room500")


def alone(scenario, contender, name):
    return lambda results: results.median(scenario, contender, name)


BARS = (
    Bar("room500", "CPU per delivery, `local`", AT_MOST, 1.15, "× one send", to_limit("room500", "local")),
    Bar("room500", "CPU per delivery, `rabbitmq`", AT_MOST, 1.3, "× one send", to_limit("room500", "rabbitmq")),
    Bar("room500-max", "CPU per delivery", AT_MOST, 0.10, "× one send", to_limit("room500-max", "local")),
    Bar("room500-max", "deliveries/s", AT_LEAST, 0.9, "× nats-server", ratio("room500-max", "local", "per_s", "nats")),
    Bar("room500-max", "p99 at 0.9 of nats-server's rate", AT_MOST, 0.3, "× nats-server at its highest",
        ratio("room500-max", "local-at-nats", "p99_ms", "nats")),
    Bar("rooms", "CPU per delivery", AT_MOST, 0.5, "× the naive bridge", ratio("rooms", "rabbitmq", "cpu_us", "bridge")),
    Bar("rooms", "CPU per delivery with 15,000 idle connections", AT_MOST, 1.1, "× with 1,000",
        ratio("rooms", "idle-15000", "cpu_us", "idle-1000")),
    Bar("users", "CPU per notification", AT_MOST, 0.4, "× the naive bridge", ratio("users", "rabbitmq", "cpu_us", "bridge")),
    Bar("users", "p99 from backend to socket", AT_MOST, 1.5, "× bare rabbitmq-c",
        ratio("users", "rabbitmq", "p99_ms", "pipe")),
    Bar("idle", "memory of a connection", AT_MOST, 3.5, "KB", alone("idle", "rabbitmq", "kb")),
    Bar("relay", "p99 from client to client", AT_MOST, 2, "× bare rabbitmq-c", ratio("relay", "rabbitmq", "p99_ms", "pipe")),
    Bar("relay", "CPU per publish, both nodes", AT_MOST, 8, "× one send", to_limit("relay", "rabbitmq")),
    # The other reading: what a message costs that comes alone, not one send in a row of 500.
    Bar("relay", "CPU per publish, both nodes", AT_MOST, 8, "× the limit there", ratio("relay", "rabbitmq", "cpu_us", "limit")),
    Bar("storm", "users connected a second", AT_LEAST, 0.9, "× a bare pipelined binder",
        ratio("storm", "rabbitmq", "keys_per_s", "bare")),
    Bar("storm", "p99 of other deliveries meanwhile", AT_MOST, 3, "× a bare consumer meanwhile",
        ratio("storm", "rabbitmq", "p99_ms", "bare")),
    Bar("reconnect", "consuming again after the broker accepts", AT_MOST, 2, "s", alone("reconnect", "rabbitmq", "seconds")),
)
