"""The table of scripts/faults: what counts as a broken promise, and that the document has all cases."""

import json

import pytest

from faults import report
from faults.cases import CASES, CLOSED, DOUBLED, LOST, REFUSED, Case
from gridtest.util import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"


def result(**changes):
    """What gridbench says when nothing is wrong, with changes like users_lost=3."""
    clean = {
        "connections": {"reconnects": 0},
        "publishes": {"acknowledged": 100, "refused": 0, "unknown": 0},
        "rooms": {"delivered": 1000, "lost": 0, "doubled": 0, "disordered": 0},
        "users": {"delivered": 40, "offline": 10, "lost": 0, "doubled": 0, "disordered": 0},
        "longest_gap_ms": 1234,
        "generator": {"saturated": False},
    }
    for name, value in changes.items():
        group, column = name.split("_", 1)
        clean[group][column] = value
    return clean


def case(promise=(LOST, DOUBLED), **more):
    return Case("one", "something `breaks`", lambda rig: None, promise, **more)


def test_a_promise_that_was_kept():
    outcome = report.Outcome(case(), result())
    assert outcome.broken == [] and list(outcome.warnings) == []
    assert outcome.row() == ["something `breaks`", "100", "1040", "10", "0", "0", "0", "1.2 s", "lost, doubled"]


@pytest.mark.parametrize("change, words", [
    ({"rooms_lost": 2}, "2 (rooms 2, users 0) lost"),
    ({"users_lost": 3}, "3 (rooms 0, users 3) lost"),
    ({"rooms_doubled": 1, "users_doubled": 4}, "5 (rooms 1, users 4) doubled"),
])
def test_a_promise_that_was_broken(change, words):
    assert report.Outcome(case(), result(**change)).broken == [words]


@pytest.mark.parametrize("change, words", [
    ({"publishes_refused": 3, "publishes_unknown": 1}, "4 refused"),
    ({"connections_reconnects": 2}, "2 closed"),
])
def test_what_clients_were_to_notice_nothing_of(change, words):
    assert report.Outcome(case((REFUSED, CLOSED)), result(**change)).broken == [words]
    assert report.Outcome(case(), result(**change)).broken == []


def test_a_gap_that_is_too_long():
    assert report.Outcome(case(gap=1.234), result()).broken == []
    assert report.Outcome(case(gap=1.2), result()).broken == ["a gap of 1.2 s"]
    assert report.Outcome(case(gap=1.2), result(generator_saturated=True)).broken == [], "then times say nothing"
    assert report.Outcome(case(gap=1.2, fallback=True), result()).row()[-3:] == ["1.2 s", "1.2 s", "lost, doubled"]


def test_the_fallback_is_measured_with_two_nodes_and_with_three():
    assert report.Outcome(case(fallback=True, nodes=3), result()).row()[:2] == ["something `breaks`", "3"]
    behind = [one for one in CASES if one.fallback]
    assert [one.nodes for one in behind] == [2, 3] * (len(behind) // 2)


def test_what_was_not_promised_is_shown_and_no_failure():
    outcome = report.Outcome(case((DOUBLED,)), result(users_lost=3, rooms_disordered=1))
    assert outcome.broken == []
    assert outcome.row()[4:] == ["3 (rooms 0, users 3)", "0", "1 (rooms 1, users 0)", "1.2 s", "doubled"]


def test_a_case_that_broke_off_is_a_failure():
    outcome = report.Outcome(case(), problem="the broker did not start")
    assert outcome.broken == ["broke off: the broker did not start"]
    assert len(outcome.row()) == len(report.HEADS["rabbitmq"])
    assert json.loads(json.dumps(outcome.as_json()))["result"] is None


def test_a_load_that_was_too_slow_is_said():
    assert list(report.Outcome(case(), result(generator_saturated=True)).warnings)


def titles(table):
    return [one.title for one in CASES if one.table == table]


def test_the_tables_are_put_between_the_marks_and_read_back(tmp_path):
    document = tmp_path / "document.md"
    places = ["\n".join((begin, "old", end)) for begin, end in map(report.marks, report.HEADS)]
    document.write_text("\n".join(("before", *places, "after\n")))
    tables = report.tables([report.Outcome(one, result()) for one in CASES])
    for _ in range(2):
        for table, rows in tables.items():
            report.write(document, table, rows, f"a machine for {table}")
    for table in report.HEADS:
        assert report.titles(document, table) == titles(table)
    text = document.read_text()
    assert text.startswith("before\n") and "old" not in text
    assert text.endswith(f"\nOn a machine for fallback.\n{report.marks('fallback')[1]}\nafter\n")


def test_what_did_not_run_is_no_table():
    assert list(report.tables([report.Outcome(case(), result())])) == ["rabbitmq"]


@pytest.mark.parametrize("table", report.HEADS)
def test_the_document_has_all_cases(table):
    assert report.titles(DOCUMENT, table) == titles(table), "run scripts/faults --write"


def test_names_are_unique_and_some_are_quick():
    assert len({one.name for one in CASES}) == len(CASES)
    assert [one.quickly().name for one in CASES if one.quick is not None]
