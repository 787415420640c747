"""The recorded figures, what they depend on, and the comparison with measured ones."""

import json
import os
import pathlib
import re
import subprocess
from typing import NamedTuple

from .figures import CALLS, CALLS_SLACK, FIGURES

FILE = pathlib.Path(__file__).with_name("recorded.json")
TOLERANCE = 0.05

# What the binary is built from and runs with, by Debian's names: as many parts of the version as change the code. The
# last part of OpenSSL's and RabbitMQ's is for repairs.
PACKAGES = {"libc6-dev": 2, "libwebsockets-dev": 3, "libev-dev": 2, "librabbitmq-dev": 3, "libssl-dev": 2, "uthash-dev": 3,
            "rabbitmq-server": 2, "valgrind": 2}


def _output(*command):
    return subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False).stdout


def compiler(binary):
    """As the compiler has written it into the binary, with its options."""
    info = _output("readelf", "--debug-dump=info", "--dwarf-depth=1", binary)
    found = re.search(r"DW_AT_producer.*: (\S.*)$", info, re.M)
    return found.group(1) if found else "unknown: no debug symbols"


def version(package, parts):
    """1:9.1~rc2-3+deb12u1 → 9.1"""
    upstream = re.match(r"(?:\d+:)?([0-9.]*)", _output("dpkg-query", "-W", "-f", "${Version}", package)).group(1)
    return ".".join(upstream.split(".")[:parts]) or "unknown"


def conditions(binary):
    """What the figures hold for."""
    return {"machine": os.uname().machine, "compiler": compiler(binary),
            **{package: version(package, parts) for package, parts in PACKAGES.items()}}


def differences(recorded, here):
    """In words; none: the figures can be compared."""
    return [f"{name}: {recorded.get(name, 'nothing')} recorded, {here.get(name, 'nothing')} here"
            for name in {**recorded, **here} if recorded.get(name) != here.get(name)]


class Difference(NamedTuple):
    """A figure that is not what was recorded."""

    name: str
    recorded: float
    measured: float

    def __str__(self):
        return (f"{self.name}: {self.recorded:,.0f} instructions recorded, {self.measured:,.0f} measured: "
                f"{self.measured / self.recorded - 1:+.1%}, and {TOLERANCE:.0%} more or less are allowed")


class Excess(NamedTuple):
    """A call that must not be made so often."""

    name: str
    kind: str
    limit: float
    measured: float

    def __str__(self):
        return f"{self.name}: {self.measured:.2f} {self.kind}, and at most {self.limit:g} are allowed"


def compare(recorded, costs):
    """[Difference] of the measured costs from the recorded instructions. Both ways: a figure that has become smaller is
    recorded anew, so that it stays small."""
    return [Difference(name, recorded[name], cost.instructions) for name, cost in costs.items()
            if abs(cost.instructions / recorded[name] - 1) > TOLERANCE]


def excesses(costs):
    """[Excess] of calls, which depend on no compiler and no library."""
    counted = ((name, kind, limit, costs[name].count(CALLS[kind]))
               for name in costs for kind, limit in FIGURES[name].limits.items())
    return [Excess(*one) for one in counted if one[-1] > one[-2] + CALLS_SLACK]


def load():
    """(conditions, {figure: instructions})"""
    kept = json.loads(FILE.read_text())
    return kept["conditions"], kept["instructions"]


def save(where, costs):
    instructions = {name: round(costs[name].instructions) for name in FIGURES}
    FILE.write_text(json.dumps({"conditions": where, "instructions": instructions}, indent=1) + "\n")
