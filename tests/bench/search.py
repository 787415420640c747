"""Finds the highest rate at which something still holds."""

import math


def highest(holds, first, factor=2.0, halvings=4, floor=1.0):
    """`holds(rate)`. Up from `first` by `factor` until it does not hold (down until it does, if the first does not), then
    between the two, halving their distance `halvings` times. None: it holds nowhere above `floor`."""
    low, high = _bracket(holds, first, factor, floor)
    if low is None:
        return None
    for _ in range(halvings):
        middle = math.sqrt(low * high)
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def _bracket(holds, first, factor, floor):
    rate = first
    if holds(rate):
        while holds(rate * factor):
            rate *= factor
        return rate, rate * factor
    while rate / factor >= floor:
        rate /= factor
        if holds(rate):
            return rate, rate * factor
    return None, None
