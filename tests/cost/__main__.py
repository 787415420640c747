"""usage: scripts/cost [--only local|rabbitmq] [--repeat N] [--record]

Counts the instructions that build/release/gridnode spends on a delivery, a message, a frame and a connection, under
callgrind and with load in lock-step, and compares them with the recorded ones (tests/cost/recorded.json): 5 % more fails,
and 5 % less, too. They are compared only where compiler and libraries are those recorded. How often a delivery allocates,
copies and calls the kernel has limits that hold with any. x86-64 only.

  --only WHICH  the figures with one driver only
  --repeat N    measures N times and says how far the figures differ; the median is what counts
  --record      records the figures instead, here and in the table of docs/performance.md

Installs the Debian packages that are missing and builds build/release first; GRIDNODE names another binary.
Everything runs for this machine only and in .run/cost (GRID_RUN_DIR=DIR: in DIR/cost); what callgrind has written stays.
Exit: 0 as recorded, 1 not, 2 usage, 77 not compared, but within all limits.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import statistics
import sys

from gridtest.broker import Broker
from gridtest.nodes import GRIDNODE
from gridtest.util import ROOT, alone, fresh_folder

from . import figures, recorded, report
from .callgrind import LOOP, MACHINE

FOLDER = pathlib.Path(os.environ.get("GRID_RUN_DIR", ROOT / ".run")).resolve() / "cost"
NOT_COMPARED = 77


def parse():
    parser = argparse.ArgumentParser(prog="cost", usage=argparse.SUPPRESS, add_help=False)
    parser.add_argument("--only", choices=("local", "rabbitmq"))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    options = parser.parse_args()
    if options.repeat < 1:
        parser.error("--repeat is at least 1")
    if options.record and options.only:
        parser.error("--record needs all figures: leave --only out")
    return options


@contextlib.contextmanager
def own_folder():
    """Empty, and nobody else works in it meanwhile."""
    with alone(FOLDER.parent / "cost.lock", "cost"):
        if (FOLDER / "broker").is_dir():
            end(Broker(FOLDER / "broker"))  # of a run that was killed
        fresh_folder(FOLDER)
        yield FOLDER


def end(broker):
    broker.kill()  # nobody needs its data any more, and a clean stop takes seconds
    broker.stop()


@contextlib.contextmanager
def running_broker(folder):
    broker = Broker(folder / "broker")
    try:
        broker.start()
        yield broker
    finally:
        end(broker)


def measure(folder, options):
    """{figure: [Cost of each repetition]}"""
    costs = []
    if options.only != "rabbitmq":
        costs += [figures.local(folder) for _ in range(options.repeat)]
    if options.only != "local":
        with running_broker(folder) as broker:
            costs += [figures.rabbitmq(folder, broker) for _ in range(options.repeat)]
    return {name: [one[name] for one in costs if name in one] for name in figures.FIGURES
            if any(name in one for one in costs)}


def median(costs):
    """The one in the middle."""
    middle = statistics.median_low(cost.instructions for cost in costs)
    return next(cost for cost in costs if cost.instructions == middle)


def explain(problem, cost):
    figure = figures.FIGURES[problem.name]
    driver = problem.name.split(".")[0]
    kept = FOLDER / f"{driver}.{figure.kept}-{LOOP}.callgrind"
    print(f"{problem}\n  it goes to\n{report.where_spent(cost)}\n"
          f"  and in whole: callgrind_annotate --auto=no --inclusive=yes {kept}\n")


def judge(costs):
    """Says what is wrong; the exit status."""
    then, instructions = recorded.load()
    not_comparable = recorded.differences(then, recorded.conditions(GRIDNODE))
    problems = recorded.excesses(costs)
    if not not_comparable:
        problems += recorded.compare(instructions, costs)
    for problem in problems:
        explain(problem, costs[problem.name])
    if any(isinstance(problem, recorded.Difference) for problem in problems):
        print("If that is meant: scripts/cost --record, and say in the commit why.")
    for difference in not_comparable:
        print(f"not compared: {difference}")
    if problems:
        return 1
    return NOT_COMPARED if not_comparable else 0


def main():
    options = parse()
    if options.help:
        print(__doc__.strip())
        return 0
    if os.uname().machine != MACHINE:
        print(f"not compared: it is known how to count on {MACHINE} only")
        return NOT_COMPARED
    # As Ctrl-C: everything is stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with own_folder() as folder:
        repeated = measure(folder, options)
    costs = {name: median(some) for name, some in repeated.items()}
    print(report.plain(report.rows(costs)) + "\n")
    if options.repeat > 1:
        print("\n".join(report.spread(name, some) for name, some in repeated.items()) + "\n")
    if options.record:
        where = recorded.conditions(GRIDNODE)
        recorded.save(where, costs)
        report.write(costs, where)
        return 0
    return judge(costs)


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit("cost: stopped")
