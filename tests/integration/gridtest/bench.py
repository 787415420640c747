"""gridbench as a process: what it says on the way, and its report."""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading

from .nodes import SANITIZER, clean_environment
from .util import ROOT, wait_for

GRIDBENCH = pathlib.Path(os.environ.get("GRIDBENCH", ROOT / "build" / "dev" / "gridbench"))
TIMEOUT = 120.0


def command(urls, *arguments, **options):
    """Its command line. `options` by their names with underscores; True is an option without a value."""
    words = [GRIDBENCH, *(word for url in urls for word in ("--url", url)), *arguments]
    for name, value in options.items():
        words.append("--" + name.replace("_", "-") + ("" if value is True else f"={value}"))
    return list(map(str, words))


class Bench:
    """A run under way. All it says on stderr is in `log`."""

    def __init__(self, words):
        self.log = ""
        # A grid of the developer's own must not get into this.
        environment = {name: value for name, value in clean_environment().items() if not name.startswith("GRID_")}
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=environment)
        self._output = []
        self._readers = [threading.Thread(target=self._read_log, daemon=True),
                         threading.Thread(target=lambda: self._output.append(self.process.stdout.read()), daemon=True)]
        for reader in self._readers:
            reader.start()

    def _read_log(self):
        for line in self.process.stderr:
            self.log += line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        print(f"--- gridbench said\n{self.log}")

    def wait_step(self, step, timeout=TIMEOUT):
        """Waits for `gridbench: <step>`, with whatever follows on the line."""
        def said():
            found = re.search(rf"^gridbench: {step}.*$", self.log, re.M)
            assert found or self.process.poll() is None, f"has ended with {self.process.returncode}:\n{self.log}"
            return found
        return wait_for(said, timeout, f"gridbench says {step}").group()

    def stop(self):
        """Ends the publishing."""
        self.process.send_signal(signal.SIGTERM)

    def end(self, timeout=TIMEOUT):
        """Waits for its end: (exit status, stdout). No sanitizer may have said anything."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        assert not SANITIZER.search(self.log), self.log
        return code, self._output[0]

    def report(self, expect=0, timeout=TIMEOUT):
        """Its JSON, which must add up; `expect` is the exit status it must have."""
        code, output = self.end(timeout)
        assert code == expect, f"exit status {code}\n{output}\n{self.log}"
        report = json.loads(output)
        check_sums(report)
        return report


def check_sums(report):
    """What must hold for every report, whatever happened."""
    publishes, rooms, users = report["publishes"], report["rooms"], report["users"]
    assert publishes["attempted"] == publishes["acknowledged"] + publishes["refused"] + publishes["unknown"], report
    assert publishes["acknowledged"] == rooms["acknowledged"] + users["acknowledged"], report
    assert rooms["expected"] == rooms["delivered"] + rooms["lost"] + rooms["excused"], report
    assert users["acknowledged"] == users["delivered"] + users["offline"] - users["both"] + users["lost"], report
    for times in report["latency_ms"].values():
        assert times["p50"] <= times["p90"] <= times["p99"] <= times["p999"] <= times["max"], report


def bench(places, **options):
    """Starts one against these nodes (or anything with a `url`) that prints JSON."""
    return Bench(command([getattr(place, "url", place) for place in places], json=True, **options))
