"""The search for the highest rate that holds, against a rate that is known."""

import pytest

from bench.search import highest


class Limit:
    """Holds up to a rate; remembers what was asked."""

    def __init__(self, rate):
        self.rate, self.asked = rate, []

    def __call__(self, rate):
        self.asked.append(rate)
        return rate <= self.rate


@pytest.mark.parametrize("rate", [100, 101, 130, 6400, 5000, 99, 12, 2])
def test_it_is_found_to_a_sixteenth_of_the_factor(rate):
    limit = Limit(rate)
    found = highest(limit, first=100)
    assert found <= rate < found * 2 ** (1 / 16) * 1.0001
    assert found in limit.asked, "what is said to hold has been tried"


def test_fewer_halvings_are_fewer_steps():
    few, many = Limit(3000), Limit(3000)
    assert highest(few, 100, halvings=1) <= highest(many, 100, halvings=5) <= 3000
    assert len(few.asked) + 4 == len(many.asked)


def test_it_goes_up_until_something_does_not_hold():
    limit = Limit(1000)
    highest(limit, 100, halvings=0)
    assert limit.asked == [100, 200, 400, 800, 1600]


def test_it_goes_down_when_the_first_does_not_hold():
    limit = Limit(30)
    assert highest(limit, 100, halvings=0) == 25
    assert limit.asked == [100, 50, 25]


def test_it_may_hold_nowhere():
    limit = Limit(0)
    assert highest(limit, 8) is None
    assert limit.asked == [8, 4, 2, 1]
