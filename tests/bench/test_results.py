"""Medians, spreads, ratios, and what is not to be believed."""

import json

from bench.results import Results, rotated


def results(**values):
    """One scenario with a contender for each name, and a round for each of its values."""
    found = Results()
    for name, rounds in values.items():
        for value in rounds:
            found.add("one", name, {"cpu_us": value, "problems": []})
    return found


def test_the_median_of_the_rounds_counts():
    found = results(a=[3.0, 1.0, 100.0])
    assert found.median("one", "a", "cpu_us") == 3.0
    assert found.spread("one", "a", "cpu_us") == (1.0, 100.0)


def test_a_ratio_is_one_of_medians():
    found = results(a=[3.0, 1.0, 100.0], b=[2.0, 2.0, 1.0])
    assert found.ratio(("one", "a", "cpu_us"), ("one", "b", "cpu_us")) == 1.5


def test_what_was_not_measured_is_nothing():
    found = results(a=[1.0], none=[None, None], zero=[0.0])
    assert found.median("other", "a", "cpu_us") is None
    assert found.median("one", "none", "cpu_us") is None and found.spread("one", "none", "cpu_us") is None
    assert found.median("one", "a", "p99_ms") is None
    assert found.ratio(("one", "a", "cpu_us"), ("one", "none", "cpu_us")) is None
    assert found.ratio(("one", "a", "cpu_us"), ("one", "zero", "cpu_us")) is None
    assert found.ratio(("one", "none", "cpu_us"), ("one", "a", "cpu_us")) is None


def test_a_round_that_is_not_to_be_believed_is_named():
    found = results(a=[1.0, 2.0])
    assert not list(found.problems())
    found.add("one", "a", {"cpu_us": 1.0, "problems": ["3 lost", "the generator is saturated"]})
    assert list(found.problems()) == ["one, a, round 3: 3 lost, the generator is saturated"]


def test_a_round_that_was_done_again_is_named():
    found = results(a=[1.0])
    found.add("one", "a", {"cpu_us": 1.0, "problems": [], "repeated": 2})
    found.add("one", "b", {"cpu_us": 1.0, "problems": [], "repeated": 0})
    assert list(found.repeated("one")) == ["a, round 2: done again 2 ×, the generator was saturated"]
    assert not list(found.repeated("other"))


def test_each_round_begins_with_another():
    assert [rotated(["a", "b", "c"], by) for by in (0, 1, 3)] == [["a", "b", "c"], ["b", "c", "a"], ["a", "b", "c"]]
    assert rotated([], 1) == []


def test_it_can_be_written_down():
    found = results(a=[1.0], b=[2.0])
    assert json.loads(found.as_json()) == found.runs
