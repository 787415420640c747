"""usage: scripts/bench [--only SCENARIO,…] [--systems NAME,…] [--runs N] [--list] [--write]

Measures Grid Notify, its limit, and what else one could take, side by side on this machine: docs/performance.md says what
and how. All of it takes about 20 minutes, and wants the machine to itself.

  --only SCENARIO these scenarios only
  --systems NAME  these systems only
  --runs N        so many interleaved rounds (3); what counts is their median
  --list          says which scenarios and systems there are
  --write         writes the tables and pictures of docs/performance.md anew; everything must run for that, three rounds at
                  least, and nothing may be lost nor gridbench be too slow

Installs the Debian packages and npm's modules that are missing (the latter in build/bench) and builds build/release first;
GRIDNODE and GRIDBENCH name other binaries. What runs is for this machine only; logs and results are in build/bench
(GRID_BENCH_DIR=DIR: there). Ctrl-C stops all.
Exit: 0 measured, 1 something broke off or is not to be believed, 2 usage.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import sys
import time

from gridtest.util import ROOT, alone, fresh_folder

from . import plots, report
from .generator import SATURATED
from .place import Place, end_brokers
from .results import Results, rotated
from .scenarios import SCENARIOS
from .systems import SYSTEMS

DOCUMENT = ROOT / "docs" / "performance.md"
FOLDER = pathlib.Path(os.environ.get("GRID_BENCH_DIR", ROOT / "build" / "bench")).resolve()
ROUNDS = 3
ATTEMPTS = 3


def names_of(known):
    """For argparse: a list of names, all of which are known."""
    def parse(text):
        names = text.split(",")
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(f"no such: {', '.join(unknown)}; see --list")
        return names
    return parse


def parse():
    parser = argparse.ArgumentParser(prog="bench", usage=argparse.SUPPRESS, add_help=False)
    parser.add_argument("--only", type=names_of([scenario.name for scenario in SCENARIOS]))
    parser.add_argument("--systems", type=names_of(SYSTEMS))
    parser.add_argument("--runs", type=int, default=ROUNDS)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs is at least 1")
    if options.write and (options.only or options.systems or options.runs < ROUNDS):
        parser.error(f"--write needs everything and {ROUNDS} rounds: leave --only and --systems out")
    return options


def chosen(options):
    """[(scenario, {name: contender})]"""
    mine = set(options.systems or SYSTEMS)
    for scenario in SCENARIOS:
        if scenario.name in (options.only or [scenario.name]):
            contenders = {name: one for name, one in scenario.contenders.items() if mine.issuperset(one.systems)}
            yield scenario, contenders


def believable(contender, place):
    """Its measures; a run in which the generator was too slow is done again, as it says nothing about the system. `repeated`:
    how often."""
    for repeated in range(ATTEMPTS):
        measures = contender.run(place)
        if SATURATED not in measures["problems"]:
            break
        print(f" ({SATURATED})", end="", flush=True)
    return {**measures, "repeated": repeated}


def measure(place, scenario, name, contender, results):
    """One run, into the results, which are written down at once; whether it came to an end."""
    began = time.monotonic()
    print(f"    {contender.title}", end="", flush=True)
    try:
        measures = believable(contender, place)
    except Exception as error:  # the others still have something to say
        print(f": broke off: {str(error) or repr(error)}", flush=True)
        return False
    results.add(scenario.name, name, measures)
    (FOLDER / "results.json").write_text(results.as_json(), encoding="utf-8")
    print(f": {', '.join(shown(measures))} ({time.monotonic() - began:.0f} s)", flush=True)
    return True


def shown(measures):
    for name, value in measures.items():
        if isinstance(value, float):
            yield f"{name} {value:.3g}"
    yield from measures["problems"]


def versions_of(options):
    """Of what is measured beside, before any of it is: what is missing is missed at once."""
    versions = [SYSTEMS[name].version() for name in sorted(options.systems or SYSTEMS)]
    return [version for version in versions if version]


def run_scenario(place, scenario, contenders, rounds, results):
    """Whether nothing broke off. Each round begins with another contender, so that none always comes after the same."""
    fine = True
    print(f"==> {scenario.name}: {scenario.title}", flush=True)
    for number in range(rounds):
        print(f"  round {number + 1}", flush=True)
        for name in sorted(rotated(list(contenders), number), key=lambda name: contenders[name].last):
            fine = measure(place, scenario, name, contenders[name], results) and fine
    print(f"\n{report.plain(report.scenario_table(scenario, results))}", flush=True)
    for remark in report.remarks(scenario, results):
        print(remark)
    print(flush=True)
    return fine


def run_all(options, results):
    """Where it was, and whether nothing broke off."""
    fine = True
    versions = versions_of(options)
    end_brokers(FOLDER / "runs")
    fresh_folder(FOLDER / "runs")
    place = Place(FOLDER / "runs")
    with contextlib.closing(place):
        for scenario, contenders in chosen(options):
            fine = run_scenario(place, scenario, contenders, options.runs, results) and fine
    return report.where([f"{name} {version}" for name, version in place.versions.items()] + versions), fine


def main():
    options = parse()
    if options.help:
        print(__doc__.strip())
        return 0
    if options.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:12} {scenario.title}: {', '.join(scenario.contenders)}")
        print(f"{'systems':12} {', '.join(SYSTEMS)}")
        return 0
    # As Ctrl-C: everything is stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = Results()
    with alone(FOLDER / "lock", "bench"):
        place, fine = run_all(options, results)
        (FOLDER / "report.md").write_text("\n\n".join(report.parts(results, place).values()), encoding="utf-8")
        plots.write(FOLDER / "plots", plots.pictures(results))
    print(f"{report.plain(report.bars_table(results))}\n\n{place}")
    problems = list(results.problems())
    for problem in problems:
        print(f"bench: not to be believed: {problem}")
    if options.write and fine and not problems:
        report.write(DOCUMENT, report.parts(results, place))
        plots.write(DOCUMENT.with_suffix(""), plots.pictures(results))
    elif options.write:
        print("bench: not written", file=sys.stderr)
    return 0 if fine and not problems else 1


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit("bench: stopped")
