"""What is shared by runs, and when it goes."""

import signal
import subprocess

from bench.place import Place
from gridtest.util import MARK, fresh_folder


class Deleted:
    """A grid that remembers what was deleted in it."""

    def __init__(self):
        self.names = []

    def api(self, method, *path):
        self.names.append((method, *path))


def test_nothing_is_deleted_in_a_broker_that_goes_anyway(tmp_path):
    place, grid = Place(tmp_path), Deleted()
    place._grid = grid
    place.forget("before")
    with place.last_use():
        place.forget("meanwhile")
    assert grid.names == [("DELETE", "queues", "before")]
    assert place._grid is None, "who comes next gets a new one"


def test_what_a_killed_run_left_running_is_ended(tmp_path, monkeypatch):
    monkeypatch.setenv(MARK, str(tmp_path / "runs"))
    with subprocess.Popen(["sleep", "1000"]) as left, subprocess.Popen(["sleep", "1000"], env={}) as stranger:
        monkeypatch.setenv(MARK, "another")
        fresh_folder(tmp_path / "runs")
        assert left.wait(10) == -signal.SIGKILL
        assert stranger.poll() is None
        stranger.kill()
    assert not list((tmp_path / "runs").iterdir())
