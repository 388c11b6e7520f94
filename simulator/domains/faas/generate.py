"""Invocations that a scenario file describes instead of listing: ``[[traffic]]`` tables.

Every function of every table draws from a stream of its own, seeded by ``seed``, the table's place
and the function's place in it, so a table that is added or changed leaves the others as they were.

Only ``Generator.random`` is drawn from, and each gap between arrivals is rounded to a microsecond
before it is added, so that a seed gives the same invocations on every machine and version of numpy.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from simulator.domains.faas.entries import Entry
from simulator.domains.faas.messages import Setup
from simulator.domains.faas.world import MAX_INVOCATIONS, MAX_SECONDS, US
from simulator.errors import InputError

ARRIVALS = ("steady", "bursty", "cron", "diurnal")
SERVICES = ("fixed", "exponential", "lognormal")
MAX_RATE = 100_000
MAX_SEED = 2**63 - 1
MAX_TABLES = 1000
LEAST = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """One table: how often which functions are invoked, and for how long they run."""

    functions: tuple[int, ...]
    arrivals: str
    rate: float
    """Invocations per second of all its functions together, over the whole window."""
    popularity: float
    """The exponent of Zipf's law: the function at place k gets a share in proportion to k^-s."""
    service: str
    service_seconds: float
    service_sigma: float
    period_seconds: float
    """Of ``cron``: one invocation of each function at every multiple. Of ``diurnal``: a day."""
    on_seconds: float
    off_seconds: float
    window_us: tuple[int, int]


def generate_invocations(
    top: Entry, setup: Setup, duration_us: int
) -> tuple[list[int], list[int], list[int]]:
    """Return times, function numbers and service times of all tables, in order of arrival."""
    seed = top.whole("seed", 0, MAX_SEED, 0)
    rows: list[tuple[int, int, int]] = []
    for table, entry in enumerate(top.tables("traffic", 1, MAX_TABLES)):
        traffic = _traffic(entry, setup, duration_us)
        _refuse_floods(traffic, entry, duration_us)
        shares = [place**-traffic.popularity for place in range(1, len(traffic.functions) + 1)]
        for place, function in enumerate(traffic.functions):
            rng = np.random.default_rng([seed, table, place])
            rate = traffic.rate * shares[place] / math.fsum(shares)
            for time in _KINDS[traffic.arrivals](traffic, rate, rng):
                if time < duration_us:
                    rows.append((time, function, _service_us(traffic, rng)))
                if len(rows) > MAX_INVOCATIONS:
                    raise InputError(
                        f"{entry.where('')}more than {MAX_INVOCATIONS} invocations up to here, "
                        "expected fewer: lower the rates or the duration"
                    )
    rows.sort(key=lambda each: each[:2])
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def _traffic(entry: Entry, setup: Setup, duration_us: int) -> Traffic:
    entry.check_keys(
        "functions", "arrivals", "per_second", "popularity", "service", "service_seconds",
        "service_sigma", "period_seconds", "on_seconds", "off_seconds", "from_seconds",
        "to_seconds",
    )  # fmt: skip
    numbers = {each.name: number for number, each in enumerate(setup.functions)}
    names = entry.values.get("functions", list(numbers))
    known = isinstance(names, list) and all(
        isinstance(each, str) and each in numbers for each in names
    )
    if not known or not names or len(set(names)) < len(names):
        raise entry.error("functions", "expected names of [[functions]], each once")
    arrivals = entry.choice("arrivals", ARRIVALS, "steady")
    if arrivals == "cron" and "per_second" in entry.values:
        raise entry.error("per_second", "expected none, as period_seconds says how often")

    def number(key: str, low: Decimal, high: int, default: Decimal | None = None) -> float:
        return float(entry.decimal(key, low, high, default))

    begin = entry.microseconds("from_seconds", 0, 0)
    end = entry.microseconds("to_seconds", 0, duration_us)
    if begin >= end:
        raise entry.error("from_seconds", f"expected less than to_seconds, {end / US:g}")
    return Traffic(
        functions=tuple(numbers[each] for each in names),
        arrivals=arrivals,
        rate=0.0 if arrivals == "cron" else number("per_second", LEAST, MAX_RATE),
        popularity=number("popularity", Decimal(0), 10, Decimal(0)),
        service=entry.choice("service", SERVICES, "lognormal"),
        service_seconds=number("service_seconds", LEAST, MAX_SECONDS, Decimal("0.5")),
        service_sigma=number("service_sigma", Decimal(0), 10, Decimal(1)),
        period_seconds=number("period_seconds", LEAST, MAX_SECONDS, Decimal(60)),
        on_seconds=number("on_seconds", LEAST, MAX_SECONDS, Decimal(10)),
        off_seconds=number("off_seconds", LEAST, MAX_SECONDS, Decimal(50)),
        window_us=(begin, end),
    )


def _refuse_floods(traffic: Traffic, entry: Entry, duration_us: int) -> None:
    """Refuse what would take for ever to draw, or more invocations than there may be."""
    begin, end = traffic.window_us
    seconds = (min(end, duration_us) - begin) / US
    most = f"expected at most {MAX_INVOCATIONS}"
    if traffic.arrivals == "cron":
        count = len(traffic.functions) * seconds / traffic.period_seconds
        if count > MAX_INVOCATIONS:
            raise entry.error("period_seconds", f"which is {count:.0f} invocations, {most}")
    elif traffic.rate * seconds > MAX_INVOCATIONS:
        count = traffic.rate * seconds
        raise entry.error("per_second", f"which is about {count:.0f} invocations, {most}")
    if traffic.arrivals == "bursty":
        count = len(traffic.functions) * seconds / (traffic.on_seconds + traffic.off_seconds)
        if count > MAX_INVOCATIONS:
            raise entry.error(
                "on_seconds", f"which with off_seconds makes {count:.0f} stretches, {most}"
            )


def _steady(traffic: Traffic, rate: float, rng: np.random.Generator) -> Iterator[int]:
    """A Poisson process."""
    time, end = traffic.window_us
    while True:
        time += _gap_us(rng, 1 / rate)
        if time >= end:
            return
        yield time


def _bursty(traffic: Traffic, rate: float, rng: np.random.Generator) -> Iterator[int]:
    """A Poisson process that is switched on and off for exponential stretches."""
    time, end = traffic.window_us
    on, off = traffic.on_seconds, traffic.off_seconds
    busy_rate = rate * (on + off) / on
    while time < end:
        time += _gap_us(rng, off)
        switch = time + _gap_us(rng, on)
        while True:
            time += _gap_us(rng, 1 / busy_rate)
            if time >= min(switch, end):
                time = switch
                break
            yield time


def _cron(traffic: Traffic, rate: float, rng: np.random.Generator) -> Iterator[int]:
    """One invocation at every multiple of the period within the window."""
    begin, end = traffic.window_us
    period_us = round(traffic.period_seconds * US)
    yield from range(-(-begin // period_us) * period_us, end, period_us)


def _diurnal(traffic: Traffic, rate: float, rng: np.random.Generator) -> Iterator[int]:
    """A Poisson process whose rate is a sine wave from 0 to twice the mean, thinned."""
    time, end = traffic.window_us
    while True:
        time += _gap_us(rng, 1 / (2 * rate))
        if time >= end:
            return
        wave = (1 + math.sin(2 * math.pi * time / US / traffic.period_seconds)) / 2
        if float(rng.random()) < wave:
            yield time


def _service_us(traffic: Traffic, rng: np.random.Generator) -> int:
    """Draw a service time with the given mean; ``service_sigma`` is of its logarithm."""
    mean, sigma = traffic.service_seconds, traffic.service_sigma
    match traffic.service:
        case "fixed":
            seconds = mean
        case "exponential":
            seconds = _exponential(rng) * mean
        case _:
            seconds = mean * math.exp(sigma * _normal(rng) - sigma * sigma / 2)
    return max(1, round(min(seconds, MAX_SECONDS) * US))


def _gap_us(rng: np.random.Generator, mean_seconds: float) -> int:
    return round(_exponential(rng) * mean_seconds * US)


def _exponential(rng: np.random.Generator) -> float:
    return -math.log1p(-float(rng.random()))


def _normal(rng: np.random.Generator) -> float:
    """Draw from the standard normal distribution, by Box and Muller's method."""
    radius = math.sqrt(2 * _exponential(rng))
    return radius * math.cos(2 * math.pi * float(rng.random()))


_KINDS: dict[str, Callable[[Traffic, float, np.random.Generator], Iterator[int]]] = {
    "steady": _steady,
    "bursty": _bursty,
    "cron": _cron,
    "diurnal": _diurnal,
}
