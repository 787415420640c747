"""A gridnode whose instructions callgrind counts, and what callgrind wrote down about it."""

import collections
import pathlib
import re
import subprocess
import time
from typing import NamedTuple

from gridtest.nodes import Node
from gridtest.util import wait_for

# The C library and OpenSSL choose by the processor which of their ways to copy, search and hash they take. Without these
# all processors get the same.
LEFT_OUT = ("AVX512F", "AVX512VL", "AVX512BW", "AVX2", "AVX", "AVX_Fast_Unaligned_Load", "ERMS", "FSRM", "BMI1", "BMI2",
            "LZCNT", "MOVBE", "RTM", "SSSE3", "SSE4_1", "SSE4_2", "POPCNT")
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join("-" + name for name in LEFT_OUT),
    "OPENSSL_ia32cap": "0:0",
    "LD_BIND_NOW": "1",  # looking up a symbol at its first call is no part of what is measured
}
FILES = 4096  # libwebsockets looks through a table of so many when it closes one
# --fair-sched: threads take turns, else one may starve the other and what they do in one go differs.
COMMAND = ("prlimit", f"--nofile={FILES}", "setpriv", "--pdeathsig", "KILL",
           "valgrind", "--tool=callgrind", "--separate-threads=yes", "--fair-sched=yes",
           "--compress-strings=no", "--compress-pos=no")

LOOP = 1  # callgrind numbers threads in the order of their start

MACHINE = "x86_64"  # the only one all this knows
# The system calls a thread waits in, by number, and which of their arguments says for how many ms at most (-1, which has no
# limit, is shown without its sign).
WAITS = {"7": 2, "219": 2, "232": 3}  # poll, the same after an interruption, epoll_wait
# A thread that wakes up by itself sooner has something to do yet: what came is acknowledged (SETTLE_MS), the broker asked
# whether it has that (BARRIER_MS), frames sent (FLUSH_DELAY_US).
SOON_MS = 25
# A node that flushed lets so much pass before it flushes again at once (FLUSH_REST_MAX_US); no timer shows that.
REST_S = 0.008


class Cost:
    """What something costs: by function its own instructions and how often it is called. Costs can be added, subtracted,
    multiplied and divided."""

    def __init__(self, own=(), calls=()):
        self.own, self.calls = collections.Counter(own), collections.Counter(calls)

    @property
    def instructions(self):
        return sum(self.own.values())

    def count(self, pattern):
        """Calls of all functions whose name matches."""
        return sum(n for name, n in self.calls.items() if re.fullmatch(pattern, name))

    def _with(self, other, factor):
        def added(mine, theirs):
            return {name: mine[name] + factor * theirs[name] for name in {**mine, **theirs}}
        return Cost(added(self.own, other.own), added(self.calls, other.calls))

    def __add__(self, other):
        return self._with(other, 1)

    def __sub__(self, other):
        return self._with(other, -1)

    def __mul__(self, n):
        return Cost({name: value * n for name, value in self.own.items()},
                    {name: value * n for name, value in self.calls.items()})

    def __truediv__(self, n):
        return self * (1 / n)


def parse(text):
    """(thread, Cost) of one dump. The format is in valgrind's manual, "Callgrind Format Specification"; names and lines
    are not compressed here."""
    cost = Cost()
    thread = file = callee_file = function = callee = None
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "ob":
            file = callee_file = _last(value)
        elif key == "cob":
            callee_file = _last(value)
        elif key == "fn":
            function = _name(file, value)
        elif key == "cfn":
            callee, callee_file = _name(callee_file, value), file
        elif key == "calls":
            cost.calls[callee] += int(value.split()[0])
            function, caller = None, function  # the next line is what the callee took, counted where it was spent
        elif line[:1].isdigit():
            if function is None:
                function = caller
            else:
                cost.own[function] += int(line.split()[1])
        elif line.startswith("thread: "):
            thread = int(line.removeprefix("thread: "))
    return thread, cost


def _last(path):
    return path.rsplit("/", 1)[-1]


def _name(file, function):
    """Without the level of recursion ('2); functions without a name are known by their place in their file."""
    function = re.sub(r"'\d+$", "", function)
    return f"{file}:{function}" if function.startswith("0x") else function


def for_annotate(text):
    """Without the callers that were entered before counting began (calls=0), which callgrind_annotate takes for where
    everything was spent."""
    return re.sub(r"^calls=0 .*\n.*\n", "", text, flags=re.M)


class State(NamedTuple):
    """Of a thread."""

    waits: bool  # for something from outside, and will for long
    sleeps: int  # how often it has fallen asleep


def state(task):
    number, *arguments = (task / "syscall").read_text().split()
    waits = number in WAITS and int(arguments[WAITS[number]], 16) > SOON_MS
    sleeps = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M).group(1)
    return State(waits, int(sleeps))


class CountedNode(Node):
    """Runs under callgrind, and ends with whoever started it."""

    def __init__(self, folder, name, settings, environment=None):
        super().__init__(folder, {"node.id": name, **settings}, environment={**ENVIRONMENT, **(environment or {})})
        self.folder = folder
        self.dumps = 0

    def command(self):
        return [*COMMAND, f"--callgrind-out-file={self.folder}/callgrind.{self.id}",
                f"--vgdb-prefix={self.folder}/vgdb", *super().command()]

    def wait_settled(self):
        """Until nothing is left of what was done: none of its threads has anything to do, or will soon by itself, and
        none has been awake for as long as it rests after a flush."""
        seen, since = None, 0.0

        def settled():
            nonlocal seen, since
            states = [state(task) for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir()]
            if states != seen or not all(one.waits for one in states):
                seen, since = states, time.monotonic()
            return time.monotonic() - since > REST_S
        wait_for(settled, 60, f"{self.id} settled", interval=0.001)

    def wait_ticks(self, n):
        """Until the loop's timer has woken it up so often, when there is nothing else to do."""
        loop = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}")
        start = state(loop).sleeps
        wait_for(lambda: state(loop).sleeps >= start + n, 60, f"{self.id}: {n} ticks")

    def _tell_callgrind(self, *words):
        done = subprocess.run(["vgdb", f"--vgdb-prefix={self.folder}/vgdb", f"--pid={self.pid}", *words],
                              text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == 0, done.stderr

    def count_anew(self):
        self._tell_callgrind("zero")

    def counted(self, name):
        """{thread: Cost} since count_anew(). What it is made from is kept: <node>.<name>-<thread>.callgrind."""
        self._tell_callgrind("dump")
        self.dumps += 1
        costs = {}
        for path in sorted(self.folder.glob(f"callgrind.{self.id}.{self.dumps}-*")):
            text = path.read_text()
            thread, costs[thread] = parse(text)
            (self.folder / f"{self.id}.{name}-{thread}.callgrind").write_text(for_annotate(text))
            path.unlink()
        assert costs, f"callgrind has written nothing about {name}; see {self.log_path}"
        return costs
