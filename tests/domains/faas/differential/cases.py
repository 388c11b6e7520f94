"""What other simulators and ours are both given: traces that need nothing but a seed.

Times are whole microseconds; an object of a cache has a number and a size.
"""

import hashlib
import math
import random
from bisect import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate

US = 1_000_000


@dataclass(frozen=True)
class Requests:
    """Arrivals and service times in µs, in order of arrival."""

    times: list[int]
    services: list[int]

    @property
    def gaps(self) -> list[int]:
        return [one - other for one, other in zip(self.times, [0, *self.times], strict=False)]


# One function with a keep-alive, for SimFaaS.

INIT_US = 253_000
"""Of a cold start: SimFaaS's example has 2.244 s for a cold and 1.991 s for a warm response."""
RATE, WARM_SECONDS, COLD_SECONDS = 0.9, 1.991, 2.244
EXAMPLE_KEEP_ALIVE = 600
KEEP_ALIVES = (10, EXAMPLE_KEEP_ALIVE)
"""Seconds: the example's, and 10 with cold starts enough to count."""
EXAMPLE_SECONDS = 5000
EXAMPLE_RUNS = 40
SAME_TRACE_KEEP_ALIVES = (2, 10, 60)
SAME_TRACE_REQUESTS = 4000


def example(seed: int, seconds: float) -> Requests:
    """Return the example's arrivals before ``seconds``, and its warm responses."""
    return _requests(seed, RATE, exponential(WARM_SECONDS), until=seconds)


def same_trace_requests() -> Requests:
    return _requests(1, RATE, exponential(WARM_SECONDS), count=SAME_TRACE_REQUESTS)


# A queue in front of servers, for Ciw.


@dataclass(frozen=True)
class Queue:
    """A queue in front of ``servers``; those it ``loses`` find all busy and do not wait."""

    servers: int
    rate: float
    service: str
    mean_seconds: float = 1.0
    loses: bool = False
    patience_seconds: float = 0.0
    """How long one waits before it leaves; 0 is for ever."""

    def requests(self) -> Requests:
        law = SERVICES[self.service](self.mean_seconds)
        return _requests(7, self.rate, law, count=QUEUE_REQUESTS)


QUEUE_REQUESTS = 3000
QUEUES = {
    "M/M/1": Queue(1, 0.7, "exponential"),
    "M/M/3": Queue(3, 2.4, "exponential"),
    "M/D/2": Queue(2, 1.7, "fixed"),
    "M/G/4, lognormal": Queue(4, 3.2, "lognormal"),
    "M/M/3, over-loaded": Queue(3, 3.3, "exponential"),
    "M/M/5/5": Queue(5, 4.0, "exponential", loses=True),
    "M/M/2 with a patience of 2 s": Queue(2, 2.2, "exponential", patience_seconds=2.0),
}


# A cache, for libCacheSim.


@dataclass(frozen=True)
class Cached:
    """Requests for objects; ``sizes`` has the size of each object."""

    sizes: list[int]
    objects: list[int]
    capacity: int


CACHE_REQUESTS = 4000
CACHES = {"equal": ("LRU", "GDSF", "Belady"), "sized": ("LRU", "Size", "GDSF")}
"""Traces, and the algorithms on them."""


def cached(name: str) -> Cached:
    """Return requests for 80 objects by Zipf's law, of one size or each of a size of its own."""
    draws = random.Random(name)
    by_size = sorted(range(80), key=lambda _: draws.random())
    sizes = [1 if name == "equal" else 100 + 11 * place for place in by_size]
    shares = list(accumulate(1 / place for place in range(1, 81)))
    objects = [bisect(shares, shares[-1] * draws.random()) for _ in range(CACHE_REQUESTS)]
    return Cached(sizes, objects, 20 if name == "equal" else 9000)


# Random numbers: ``random()`` alone is promised to give the same ones in every Python.


def _uniform(draws: random.Random) -> float:
    """Return a number from 0 to 1, and neither of them."""
    return draws.random() or 0.5


def exponential(mean: float) -> Callable[[random.Random], float]:
    return lambda draws: -mean * math.log(_uniform(draws))


def fixed(mean: float) -> Callable[[random.Random], float]:
    return lambda _: mean


def lognormal(mean: float) -> Callable[[random.Random], float]:
    """The logarithm's standard deviation is 1; the normal is by the method of Box and Muller."""

    def draw(draws: random.Random) -> float:
        radius = math.sqrt(-2 * math.log(_uniform(draws)))
        return mean * math.exp(radius * math.cos(2 * math.pi * draws.random()) - 0.5)

    return draw


SERVICES = {"exponential": exponential, "fixed": fixed, "lognormal": lognormal}


def _requests(
    seed: int,
    rate: float,
    service: Callable[[random.Random], float],
    *,
    count: int | None = None,
    until: float = math.inf,
) -> Requests:
    draws, gap = random.Random(seed), exponential(1 / rate)
    now = 0
    times: list[int] = []
    services: list[int] = []
    while count is None or len(times) < count:
        now += max(1, round(gap(draws) * US))
        if now >= until * US:
            break
        times.append(now)
        services.append(max(1, round(service(draws) * US)))
    return Requests(times, services)


def digest(rows: Iterable[object]) -> str:
    """Return the SHA-256 of the rows, one a line: equal digests mean equal rows."""
    return hashlib.sha256("".join(f"{row}\n" for row in rows).encode()).hexdigest()
