"""How many examples are generated where a test needs another number than most."""

from hypothesis import settings

USUAL = 100


def at_night(number: int) -> int:
    """Return this number of examples at night, and as much less by day as for other tests."""
    return number * settings().max_examples // USUAL
