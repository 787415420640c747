"""Paths, ports, and waiting for a condition: the only kind of waiting there is in these tests."""

import contextlib
import fcntl
import os
import pathlib
import random
import shutil
import signal
import socket
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]


def free_port():
    """A port nothing listens on, below the ephemeral range, so that no outgoing connection takes it meanwhile."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("no free port between 20000 and 32000")


def wait_for(condition, timeout=10.0, what=None, interval=0.02):
    """Calls `condition` until it returns something true, and returns that; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or getattr(condition, '__name__', condition)}"
                                 f" (last: {value!r})")
        time.sleep(interval)


@contextlib.contextmanager
def alone(lock, program):
    """No other `program` works meanwhile with what the file `lock` stands for; ends this one if one does."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"{program}: another one holds {lock}")
        yield


# Every process started by a run inherits it (brokers do not: they have pid files), so that the next run finds what is left
# of one that was killed.
MARK = "GRID_TEST_FOLDER"


def fresh_folder(folder):
    """Makes it empty, and ends what a killed run has left running in it."""
    for pid in _marked(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not list(_marked(folder)), 10, "what a killed run left behind has ended")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[MARK] = str(folder)


def _marked(folder):
    """pids of processes with our mark, but for this one."""
    mark = f"{MARK}={folder}\0".encode()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes() + b"\0"
        except OSError:
            continue
        if mark in environment and int(process.name) != os.getpid():
            yield int(process.name)
