"""How long to wait before a model is asked again."""

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0


def pause_seconds(rng: random.Random, tries: int, requested: float | None) -> float:
    """Return the seconds to wait after so many failed tries: twice as long each time, jittered.

    A server that asks for longer is given that, up to ``LONGEST_SECONDS``.
    """
    doubled = FIRST_SECONDS * float(2 ** min(tries - 1, 16))
    jittered = min(doubled, LONGEST_SECONDS) * (0.5 + rng.random() / 2)
    return min(max(jittered, requested or 0.0), LONGEST_SECONDS)


def requested_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a reply's headers ask to wait, or None if they ask for nothing."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
