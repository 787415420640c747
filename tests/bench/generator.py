"""gridbench: the load, and what it has measured."""

import json
import os
import pathlib
import signal
import subprocess

from gridtest.util import ROOT, wait_for

GRIDBENCH = pathlib.Path(os.environ.get("GRIDBENCH", ROOT / "build" / "dev" / "gridbench"))
SCENARIOS = pathlib.Path(__file__).parent / "scenarios"
SATURATED = "the generator is saturated"
BEGIN_SECONDS, RUN_SECONDS = 120, 180


def arguments(options):
    """{name: value} as gridbench takes them; a list is given once for each of its values."""
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            yield f"--{name}={one}"


class Generator:
    """A run under way. What it says is in FOLDER/NAME.log, its result in FOLDER/NAME.json."""

    def __init__(self, folder, name, command):
        self.log_path, self.result_path = folder / f"{name}.log", folder / f"{name}.json"
        with open(self.log_path, "wb") as log, open(self.result_path, "wb") as result:
            self.process = subprocess.Popen([GRIDBENCH, *command], stdin=subprocess.DEVNULL, stdout=result, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_step(self, step):
        """Waits until it says `gridbench: STEP`."""
        wait_for(lambda: f"gridbench: {step}" in self.log or self.process.poll() is not None, BEGIN_SECONDS, step,
                 interval=0.005)
        assert f"gridbench: {step}" in self.log, f"gridbench ended with {self.process.returncode}:\n{self.log}"

    def stop(self):
        """Ends the publishing."""
        self.process.send_signal(signal.SIGTERM)

    def first_result(self):
        """What it has measured, as soon as it says so; it may go on and clean up."""
        wait_for(lambda: self.result_path.read_text().endswith("\n") or self.process.poll() is not None, RUN_SECONDS,
                 "a result", interval=0.005)
        return json.loads(self.result_path.read_text())

    def result(self):
        """Waits for its end; what it has measured. 1 is its exit status when something was lost, which `problems` say."""
        code = self.process.wait(RUN_SECONDS)
        assert code in (0, 1), f"gridbench ended with {code}:\n{self.log}"
        return json.loads(self.result_path.read_text())


def start_load(system, scenario, name="gridbench", **more):
    """gridbench with a file of SCENARIOS against a system."""
    options = {"scenario": SCENARIOS / f"{scenario}.scenario", **system.options, **more}
    return Generator(system.folder, name, ["--json", *arguments(options)])


def load(system, scenario, **more):
    """A whole run; its result."""
    with start_load(system, scenario, **more) as generator:
        return generator.result()


def start_bare(folder, kind, **options):
    """`gridbench pipe` or `gridbench bind`."""
    return Generator(folder, kind, [kind, "--json", *arguments(options)])


def node_of(result):
    """The watched process that is measured; None when it has ended (gridbench says null then) or nothing was watched."""
    return result.get("processes", {}).get("node")


def problems(result):
    """Why a run's figures are not to be believed, in words; empty when they are."""
    rooms, users, publishes, connections = (result[name] for name in ("rooms", "users", "publishes", "connections"))
    counts = {
        "lost": rooms["lost"] + users["lost"],
        "doubled": rooms["doubled"] + users["doubled"],
        "excused": rooms["excused"],
        "misrouted": result["misrouted"],
        "foreign": result["foreign"],
        "publishes not acknowledged": publishes["refused"] + publishes["unknown"],
        "connections lost": connections["reconnects"],
        "connections ended": connections["ended"],
    }
    found = [f"{count} {what}" for what, count in counts.items() if count]
    if result["generator"]["saturated"]:
        found.append(SATURATED)
    if not node_of(result):
        found.append("a process that was measured has ended")
    return found


LATE = 0.01  # of the messages, as gridbench has it for itself


def pipe_problems(result):
    """The same of `gridbench pipe`: all it has published is confirmed, and has come."""
    publishes, deliveries = result["publishes"], result["deliveries"]
    counts = {
        "not confirmed": publishes["attempted"] - publishes["acknowledged"],
        "refused": publishes["refused"],
        "not delivered": publishes["attempted"] - deliveries["total"],
        "foreign": deliveries["foreign"],
    }
    found = [f"{count} {what}" for what, count in counts.items() if count]
    if publishes["late_sends"] > LATE * publishes["attempted"]:
        found.append(SATURATED)
    return found


def bind_problems(result, wanted):
    """The same of `gridbench bind`."""
    return [] if result["keys"] == wanted else [f"{result['keys']} of {wanted} keys bound"]


def cpu_us(process):
    """Of a delivery; None when there is no such process."""
    return process["cpu_us_per_delivery"] if process else None


def measures(result):
    """What is taken from a result, with `problems`."""
    beside = result.get("processes", {}).get("beside")
    delivery, ack = result["latency_ms"]["delivery"], result["latency_ms"]["ack"]
    return {"cpu_us": cpu_us(node_of(result)), "beside_us": cpu_us(beside),
            "per_s": result["deliveries"]["per_s"],
            "p50_ms": delivery["p50"], "p99_ms": delivery["p99"], "ack_p99_ms": ack["p99"],
            "generator": result["generator"]["loop_share"], "generator_waits": result["generator"]["wait_share"],
            "problems": problems(result)}


def memory(result):
    """Resident KB for each connection."""
    node = node_of(result)
    kb = node and (node["memory_kb"]["connected"] - node["memory_kb"]["start"]) / result["connections"]["wanted"]
    return {"kb": kb, "problems": problems(result)}
