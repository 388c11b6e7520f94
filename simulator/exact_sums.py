"""Sums of floats that give the same bits on every supported Python version."""

import sys
from collections.abc import Iterable


def compensated_sum(values: Iterable[float]) -> float:
    """Return the sum as the built-in ``sum`` of Python 3.12 and later computes it.

    The reference ran there. Its ``sum`` adds a leading stretch of integers exactly, adds the first
    float without and later floats with Neumaier's compensation, and later integers without it.
    """
    iterator = iter(values)
    total: float = 0
    for value in iterator:
        total = total + value
        if not isinstance(value, int):
            break
    correction = 0.0
    for value in iterator:
        added = total + value
        if not isinstance(value, int):
            if abs(total) >= abs(value):
                correction += (total - added) + value
            else:
                correction += (value - added) + total
        total = added
    return total + correction if correction else total


if sys.version_info >= (3, 12):
    float_sum = sum
else:
    float_sum = compensated_sum
