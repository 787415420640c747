"""Finds the highest rate at which something still holds."""

import math

HOLDS, FAILS, UNKNOWN = "holds", "fails", "unknown"


def highest(try_at, first, up=1.5, down=1.5, steps=8, halvings=3, floor=1.0):
    """`try_at(rate)` is HOLDS, FAILS, or UNKNOWN: whoever tried it was at its own end, which says nothing about higher rates.
    Up from `first` until it fails (twice UNKNOWN in a row ends that, too), down until it holds, then between the two, halving
    their distance `halvings` times. No more than `steps` are tried, except for going down until something holds. None: it
    holds nowhere above `floor`."""
    search = _Search(try_at, steps)
    search.climb(first, up)
    rate = first
    while search.low is None and rate / down >= floor:
        rate /= down
        search.step(rate)
    for _ in range(halvings):
        if search.low is None or search.high is None or not search.left():
            break
        search.step(math.sqrt(search.low * search.high))
    return search.low


class _Search:
    """`low`: the highest rate that held; `high`: the lowest one above it that did not."""

    def __init__(self, try_at, steps):
        self.try_at, self.steps = try_at, steps
        self.tried = {}

    def step(self, rate):
        self.tried[rate] = self.try_at(rate)
        return self.tried[rate]

    def left(self):
        """Whether there is a step left."""
        return len(self.tried) < self.steps

    def climb(self, rate, factor):
        unknown = 0
        while unknown < 2 and self.left():
            outcome = self.step(rate)
            if outcome == FAILS:
                return
            unknown = unknown + 1 if outcome == UNKNOWN else 0
            rate *= factor

    @property
    def low(self):
        return max((rate for rate, outcome in self.tried.items() if outcome == HOLDS), default=None)

    @property
    def high(self):
        return min((rate for rate in self.tried if rate > self.low), default=None)
