"""A short round of one scenario, with what needs nothing from outside: from the processes to the tables and pictures."""

import contextlib

from bench import plots, report, runs
from bench.place import Place
from bench.results import Results
from bench.systems import SYSTEMS

SHORT = {"connections": 20, "rate": 50, "warm_up": "200ms", "duration": "1s"}


def test_the_limit_and_a_node_side_by_side(tmp_path):
    results = Results()
    with contextlib.closing(Place(tmp_path)) as place:
        for name in ("limit", "limit-batch", "local"):
            results.add("room500", name, runs.plain(SYSTEMS[name], "room500", **SHORT)(place))
    for name in ("limit", "limit-batch", "local"):
        assert results.median("room500", name, "cpu_us") > 0
        # 50 messages to 20 connections; the time is the machine's.
        assert results.median("room500", name, "per_s") > 0
        one, = results.runs["room500"][name]
        assert [problem for problem in one["problems"] if "saturated" not in problem] == []
    assert "× one send" in report.parts(results, "here")["bars"]
    assert "gridnode, local" in plots.pictures(results)["cpu"]
