"""One run of gridbench: the load, and the count of what became of each message."""

import json
import os
import pathlib
import signal
import subprocess

from gridtest.util import ROOT, wait_for

GRIDBENCH = pathlib.Path(os.environ.get("GRIDBENCH", ROOT / "build" / "dev" / "gridbench"))
COULD_NOT_RUN = (2, 3)


class Bench:
    """What it says while it runs is in FOLDER/gridbench.log, its result in FOLDER/gridbench.json."""

    def __init__(self, folder, urls, options):
        self.log_path = folder / "gridbench.log"
        self.result_path = folder / "gridbench.json"
        self.command = [GRIDBENCH, "--json"]
        for url in urls:
            self.command += ["--url", url]
        for name, value in options.items():
            self.command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        self.process = None

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def start(self):
        """Returns when the first message is published."""
        with open(self.log_path, "wb") as log, open(self.result_path, "wb") as result:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=result, stderr=log)
        wait_for(lambda: "gridbench: publishing" in self.log or self.process.poll() is not None, 60,
                 "gridbench publishes")
        assert self.process.poll() is None, f"gridbench has ended with {self.process.returncode}:\n{self.log}"
        return self

    def result(self, timeout):
        """Ends the publishing, and waits until all is accounted for or the settle time is over; what it counted."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        assert code >= 0 and code not in COULD_NOT_RUN, f"gridbench ended with {code}:\n{self.log}"
        return json.loads(self.result_path.read_text())

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
