"""What is taken from gridbench's result, and when it is not believed."""

import pytest

from bench import generator


def result(**changes):
    """A clean one, with changes like rooms_lost=3."""
    clean = {
        "seconds": 4.0,
        "connections": {"wanted": 100, "reconnects": 0, "ended": 0},
        "publishes": {"attempted": 400, "refused": 0, "unknown": 0},
        "rooms": {"lost": 0, "doubled": 0, "excused": 0},
        "users": {"lost": 0, "doubled": 0},
        "misrouted": 0, "foreign": 0,
        "deliveries": {"total": 40000, "per_s": 10000.0},
        "latency_ms": {name: {"p50": 1.0, "p99": 2.0} for name in ("ack", "delivery")},
        "processes": {"node": {"cpu_us_per_delivery": 5.0, "memory_kb": {"start": 1000, "connected": 1300, "end": 1400}}},
        "generator": {"loop_share": 0.3, "wait_share": 0.1, "saturated": False},
    }
    for name, value in changes.items():
        group, column = name.split("_", 1)
        clean[group][column] = value
    return clean


def test_a_clean_result():
    assert generator.measures(result()) == {
        "cpu_us": 5.0, "beside_us": None, "per_s": 10000.0, "p50_ms": 1.0, "p99_ms": 2.0, "ack_p99_ms": 2.0,
        "generator": 0.3, "generator_waits": 0.1, "problems": []}
    assert generator.memory(result()) == {"kb": 3.0, "problems": []}


@pytest.mark.parametrize("change, problem", [
    ({"rooms_lost": 2, "users_lost": 1}, "3 lost"),
    ({"users_doubled": 4}, "4 doubled"),
    ({"publishes_refused": 1, "publishes_unknown": 2}, "3 publishes not acknowledged"),
    ({"connections_reconnects": 5}, "5 connections lost"),
    ({"connections_ended": 6}, "6 connections ended"),
    ({"rooms_excused": 7}, "7 excused"),
    ({"generator_saturated": True}, "the generator is saturated"),
])
def test_what_is_not_believed(change, problem):
    assert generator.measures(result(**change))["problems"] == [problem]
    assert generator.memory(result(**change))["problems"] == [problem]


@pytest.mark.parametrize("where", ["misrouted", "foreign"])
def test_strange_messages(where):
    assert generator.measures({**result(), where: 2})["problems"] == [f"2 {where}"]


@pytest.mark.parametrize("processes", [{}, {"node": None}, {"node": None, "beside": {"cpu_us_per_delivery": 1.0}}])
def test_a_server_that_has_ended_was_not_measured(processes):
    ended = {**result(), "processes": processes}
    for found, name in ((generator.measures(ended), "cpu_us"), (generator.memory(ended), "kb")):
        assert found[name] is None and found["problems"] == ["a process that was measured has ended"]


def pipe(**changes):
    clean = {"publishes": {"attempted": 1000, "acknowledged": 1000, "refused": 0, "late_sends": 10},
             "deliveries": {"total": 1000, "foreign": 0}}
    for name, value in changes.items():
        group, column = name.split("_", 1)
        clean[group][column] = value
    return clean


@pytest.mark.parametrize("change, problems", [
    ({}, []),
    ({"publishes_acknowledged": 998}, ["2 not confirmed"]),
    ({"publishes_acknowledged": 999, "publishes_refused": 1, "deliveries_total": 999},
     ["1 not confirmed", "1 refused", "1 not delivered"]),
    ({"deliveries_foreign": 3}, ["3 foreign"]),
    ({"publishes_late_sends": 11}, ["the generator is saturated"]),
])
def test_a_bare_pipe_is_held_to_its_books_as_well(change, problems):
    assert generator.pipe_problems(pipe(**change)) == problems


def test_a_bare_binder_has_bound_all():
    assert generator.bind_problems({"keys": 10}, 10) == []
    assert generator.bind_problems({"keys": 9}, 10) == ["9 of 10 keys bound"]


def test_options_become_arguments():
    assert list(generator.arguments({"rate": 5, "watch": ["a=1", "b=2+3"]})) == ["--rate=5", "--watch=a=1", "--watch=b=2+3"]
