"""What a step of the search for the highest rate says."""

from bench import scenarios
from bench.generator import SATURATED
from bench.search import FAILS, HOLDS, UNKNOWN


def step(rate, *why):
    return {"rate": rate, "why": list(why)}


def held(p99_ms=10.0, problems=()):
    return {"p99_ms": p99_ms, "problems": list(problems)}


def test_what_of_the_promise_did_not_hold():
    assert scenarios.why_not(held(), 1.0) == []
    assert scenarios.why_not(held(p99_ms=250.0), 0.9) == ["p99 250 ms", "90% of the rate"]
    assert scenarios.why_not(held(problems=["3 lost"]), 1.0) == ["3 lost"]


def test_a_generator_at_its_end_says_nothing_about_the_system():
    assert scenarios.outcome([]) == HOLDS
    assert scenarios.outcome(["p99 300 ms"]) == FAILS
    assert scenarios.outcome(["p99 300 ms", SATURATED]) == UNKNOWN


def test_what_ended_a_search_is_what_came_next_above():
    tried = [step(100), step(400, "3 lost"), step(200, "p99 300 ms", "90% of the rate")]
    assert scenarios.ended_by(tried, 100) == "p99 300 ms, 90% of the rate"
    assert scenarios.ended_by([step(100), step(150, SATURATED, "p99 300 ms")], 100) == "the generator, p99 300 ms"
    assert scenarios.ended_by([step(100)], 100) == "the number of its steps"
