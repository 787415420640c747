"""The search for the highest rate that holds, against a rate that is known."""

import pytest

from bench.search import FAILS, HOLDS, UNKNOWN, highest


class Limit:
    """Holds up to a rate; remembers what was asked. `dark`: rates at which nothing can be said."""

    def __init__(self, rate, dark=()):
        self.rate, self.dark, self.asked = rate, dark, []

    def __call__(self, rate):
        self.asked.append(rate)
        if rate in self.dark:
            return UNKNOWN
        return HOLDS if rate <= self.rate else FAILS


@pytest.mark.parametrize("rate", [100, 101, 130, 6400, 5000, 99, 12, 2])
def test_it_is_found_to_an_eighth_of_the_factor(rate):
    limit = Limit(rate)
    found = highest(limit, first=100, steps=50)
    assert found <= rate < found * 1.5 ** (1 / 8) * 1.0001
    assert found in limit.asked, "what is said to hold has been tried"


def test_it_goes_up_until_something_does_not_hold():
    limit = Limit(1000)
    assert highest(limit, 100, up=2, halvings=0) == 800
    assert limit.asked == [100, 200, 400, 800, 1600]


def test_it_goes_down_when_the_first_does_not_hold():
    limit = Limit(30)
    assert highest(limit, 100, down=2, halvings=0) == 25
    assert limit.asked == [100, 50, 25]


def test_it_may_hold_nowhere():
    limit = Limit(0)
    assert highest(limit, 8, down=2) is None
    assert limit.asked == [8, 4, 2, 1]


def test_steps_end_the_climbing_and_the_halving_but_not_the_way_down():
    climbing, halving, falling = Limit(10 ** 9), Limit(180), Limit(2)
    assert highest(climbing, 100, up=2, steps=3) == 400 and len(climbing.asked) == 3
    assert highest(halving, 100, up=2, steps=3) == 100 * 2 ** 0.5 and len(halving.asked) == 3
    assert highest(falling, 100, down=2, steps=3) and len(falling.asked) == 7


def test_where_nothing_can_be_said_a_higher_rate_is_tried():
    limit = Limit(300, dark=(100,))
    assert highest(limit, 100, up=2, halvings=0) == 200
    assert limit.asked == [100, 200, 400]


def test_where_nothing_can_be_said_twice_it_ends():
    limit = Limit(10 ** 9, dark=(200, 400))
    assert highest(limit, 100, up=2, halvings=0) == 100
    assert limit.asked == [100, 200, 400]
    limit = Limit(10 ** 9, dark=(100, 200))
    assert highest(limit, 100, up=2, down=2, halvings=0) == 50
