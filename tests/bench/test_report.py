"""The bars, the tables and the document of scripts/bench, from made-up measures."""

import pytest

from bench import report
from bench.bars import BARS, MET, NOT_MET, UNKNOWN
from bench.results import Results
from bench.scenarios import SCENARIOS
from bench.systems import SYSTEMS
from gridtest.util import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"


def all_measures(value=1.0):
    return {name: value for scenario in SCENARIOS for name in [column.measure for column in scenario.columns]}


def full(rounds=(1.0, 2.0, 3.0)):
    """Every contender of every scenario has run, and measured the same."""
    results = Results()
    for scenario in SCENARIOS:
        for name in scenario.contenders:
            for value in rounds:
                results.add(scenario.name, name, {**all_measures(value), "problems": []})
    return results


def row(table, start):
    return next(row for row in table if row[0] == start)


def bar(scenario, what):
    return next(one for one in BARS if one.scenario == scenario and one.what == what)


def test_every_bar_can_be_measured():
    assert all(one.value(full()) is not None for one in BARS)
    assert all(one.verdict(Results()) == UNKNOWN for one in BARS)


@pytest.mark.parametrize("value, verdict", [(1.15, MET), (1.16, NOT_MET)])
def test_a_bar_of_at_most(value, verdict):
    results = Results()
    results.add("room500", "limit", {"cpu_us": 1.0, "problems": []})
    results.add("room500", "local", {"cpu_us": value, "problems": []})
    assert bar("room500", "CPU per delivery, `local`").verdict(results) == verdict


@pytest.mark.parametrize("value, verdict", [(90.0, MET), (89.0, NOT_MET)])
def test_a_bar_of_at_least(value, verdict):
    results = Results()
    results.add("room500-max", "nats", {"per_s": 100.0, "problems": []})
    results.add("room500-max", "local", {"per_s": value, "problems": []})
    assert bar("room500-max", "deliveries/s").verdict(results) == verdict


def test_the_table_of_bars_says_what_must_be_and_is():
    table = report.bars_table(full())
    assert len(table) == 1 + len(BARS)
    assert table[1] == ("room500", "CPU per delivery, `local`", "≤ 1.15 × one send", "1.00 × one send", MET)
    assert report.bars_table(Results())[1][3:] == ("–", UNKNOWN)


def test_a_table_has_ratios_first_and_then_medians_with_their_range():
    scenario = SCENARIOS[0]
    table = report.scenario_table(scenario, full())
    assert len(table) == 1 + len(scenario.contenders)
    assert row(table, "nats-server")[1:3] == ("**1.00**", "2.00 (1.00–3.00)")


def test_what_did_not_run_has_no_row_and_what_it_is_compared_with_no_number():
    results = Results()
    results.add("room500", "local", {**all_measures(), "problems": []})
    table = report.scenario_table(SCENARIOS[0], results)
    assert [one[0] for one in table[1:]] == ["gridnode, local"]
    assert table[1][1:3] == ("–", "1.00")


def test_why_a_search_ended_is_said():
    results = Results()
    for why in ("p99 300 ms", "p99 300 ms", "the generator"):
        results.add("room500-max", "nats", {**all_measures(), "problems": [], "ended_by": why})
    scenario = next(one for one in SCENARIOS if one.name == "room500-max")
    assert report.remarks(scenario, results) == ["nats-server: ended by p99 300 ms; the generator."]


def test_a_run_that_was_done_again_is_said_below_its_table():
    results = Results()
    results.add("room500", "nats", {**all_measures(), "problems": [], "repeated": 1})
    assert report.parts(results, "here")["room500"].endswith("\n\n- nats, round 1: done again 1 ×, the generator was saturated")


def test_the_document_is_written_between_its_marks(tmp_path):
    document = tmp_path / "document.md"
    document.write_text("\n".join(["before", *(mark for part in report.PARTS for mark in report.marks(part)), "after\n"]))
    for place in ("a machine", "another machine"):
        report.write(document, report.parts(full(), place))
    text = document.read_text()
    assert text.startswith(f"before\n{report.marks('machine')[0]}\nanother machine\n{report.marks('machine')[1]}\n")
    assert text.endswith("\nafter\n") and "a machine\n" not in text.replace("another machine\n", "")
    assert text.count("| nats-server |") == 3, "in as many tables as it runs"


def test_the_document_has_a_place_for_everything():
    text = DOCUMENT.read_text()
    assert [mark for part in report.PARTS for mark in report.marks(part) if text.count(mark) != 1] == []


def test_contenders_need_systems_there_are():
    for scenario in SCENARIOS:
        assert {name for one in scenario.contenders.values() for name in one.systems} <= set(SYSTEMS)
        for column in scenario.columns:
            if column.base:
                other = next(one for one in SCENARIOS if one.name == column.base[0])
                assert column.base[1] in other.contenders
