"""usage: scripts/faults [--quick] [--table TABLE] [--nodes N] [--only CASE,…] [--list] [--json FILE] [--write]

Puts load on a grid of its own (10 rooms, 200 users, 800 messages/s), breaks one thing after the other, and counts what
became of every message.

  --quick       the short version, about two minutes
  --table TABLE the cases of one table only: rabbitmq, or fallback (Redis behind it)
  --nodes N     those with so many nodes only: 2 or 3
  --only CASE   these cases only, separated by commas
  --list        says which there are
  --json FILE   all that was counted, too
  --write       writes the tables of docs/reliability.md anew, or the one of --table; all their cases must run for that

Installs the Debian packages that are missing and builds build/release first; GRIDNODE and GRIDBENCH name other binaries.
What runs is for this machine only and in .run/faults (GRID_RUN_DIR=DIR: in DIR/faults); logs stay there. Ctrl-C stops all.
Exit: 0 every promise was kept, 1 one was broken or a case broke off, 2 usage.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys
import time

from gridtest.util import ROOT, alone, fresh_folder

from . import report
from .cases import CASES
from .rig import Brokers, Rig, end_brokers

NAMES = {case.name for case in CASES}
DOCUMENT = ROOT / "docs" / "reliability.md"
FOLDER = pathlib.Path(os.environ.get("GRID_RUN_DIR", ROOT / ".run")).resolve() / "faults"


def parse():
    parser = argparse.ArgumentParser(prog="faults", usage=argparse.SUPPRESS, add_help=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", choices=report.HEADS)
    parser.add_argument("--nodes", type=int, choices=(2, 3))
    parser.add_argument("--only", type=lambda text: text.split(","))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    options = parser.parse_args()
    unknown = set(options.only or ()) - NAMES
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}; see --list")
    if options.write and (options.quick or options.only or options.nodes):
        parser.error("--write needs all cases: leave --quick, --nodes and --only out")
    return options


def chosen(options):
    cases = [case for case in CASES
             if case.name in (options.only or NAMES) and case.table in (options.table or report.HEADS)
             and options.nodes in (None, case.nodes)]
    if options.quick:
        cases = [case.quickly() for case in cases if case.quick is not None]
    return cases


def run(case, brokers):
    folder = FOLDER / case.name
    folder.mkdir()
    began = time.monotonic()
    print(f"==> {case.name}: {case.title.replace('`', '')}", flush=True)
    try:
        with Rig(brokers, folder, case) as rig:
            outcome = report.Outcome(case, rig.run())
    except Exception as error:  # the other cases still have something to say
        outcome = report.Outcome(case, problem=str(error) or repr(error))
    for sentence in (*outcome.broken, *outcome.warnings):
        print(f"    {sentence}")
    print(f"    {'FAILED' if outcome.broken else 'ok'}, {time.monotonic() - began:.0f} s; logs in {folder}", flush=True)
    return outcome


def run_all(cases):
    """The outcomes, and where it was."""
    end_brokers(FOLDER)
    fresh_folder(FOLDER)
    with contextlib.closing(Brokers(FOLDER)) as brokers:
        outcomes = [run(case, brokers) for case in cases]
        return outcomes, f"{report.machine()}, {brokers.versions}"


def main():
    options = parse()
    if options.help:
        print(__doc__.strip())
        return 0
    if options.list:
        for case in CASES:
            print(f"{case.name:27} {case.title.replace('`', '')}")
        return 0
    # As Ctrl-C: everything is stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with alone(FOLDER.parent / "faults.lock", "faults"):
        outcomes, where = run_all(chosen(options))
    tables = report.tables(outcomes)
    for rows in tables.values():
        print(f"\n{report.plain(rows)}")
    print(f"\n{where}")
    if options.json:
        options.json.write_text(json.dumps({"where": where, "cases": [one.as_json() for one in outcomes]}, indent=1))
    if options.write:
        for table, rows in tables.items():
            report.write(DOCUMENT, table, rows, where)
    return 1 if any(outcome.broken for outcome in outcomes) else 0


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit("faults: stopped")
