"""What theory says of simple systems, and how far a few replications may be from it.

All times are in one unit, rates are their inverses. ``M/M/c`` and so on are Kendall's notation:
arrivals, service, servers.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from simulator.errors import InputError

CONFIDENCE = 0.9995
"""One side of it: a right simulator misses a theory by chance in about one of a thousand checks."""
_ROUNDS = 80


def mm1_wait(arrival_mean: float, service_mean: float) -> float:
    """Return the mean wait before service in ``M/M/1``."""
    return mmc_wait(arrival_mean, service_mean, 1)


def mmc_wait(arrival_mean: float, service_mean: float, servers: float) -> float:
    """Return the mean wait before service in ``M/M/c``, by Erlang's C formula."""
    load, count = service_mean / arrival_mean, _whole(servers)
    _stable(load / count)
    lost = _erlang_b(load, count)
    waits = lost / (1.0 - load / count * (1.0 - lost))
    return waits * service_mean / (count - load)


def mmcc_loss(arrival_mean: float, service_mean: float, servers: float) -> float:
    """Return the share that is lost in ``M/G/c/c``, by Erlang's B formula."""
    return _erlang_b(service_mean / arrival_mean, _whole(servers))


def mginf_mean(arrival_mean: float, service_mean: float) -> float:
    """Return the mean number in service in ``M/G/inf``."""
    return service_mean / arrival_mean


def md1_wait(arrival_mean: float, service: float) -> float:
    """Return the mean wait before service in ``M/D/1``, where every service takes the same."""
    return mg1_wait(arrival_mean, service, 0.0)


def mg1_wait(arrival_mean: float, service_mean: float, service_deviation: float) -> float:
    """Return the mean wait before service in ``M/G/1``, by Pollaczek and Khinchine's formula."""
    load = service_mean / arrival_mean
    _stable(load)
    second_moment = service_deviation**2 + service_mean**2
    return second_moment / arrival_mean / (2.0 * (1.0 - load))


def ttl_cold(arrival_mean: float, kept: float) -> float:
    """Return the share of Poisson arrivals that find nothing that was kept since the last one."""
    return math.exp(-kept / arrival_mean)


THEORIES: Mapping[str, Callable[..., float]] = {
    each.__name__: each
    for each in (mm1_wait, mmc_wait, mmcc_loss, mginf_mean, md1_wait, mg1_wait, ttl_cold)
}


def tolerance(values: Sequence[float]) -> float:
    """Return how far the mean of replications may be from the truth: ``t * s / sqrt(n)``."""
    n = len(values)
    if n < 2:
        raise InputError(f"{n} replications give no tolerance, expected at least 2")
    mean = math.fsum(values) / n
    variance = math.fsum((each - mean) ** 2 for each in values) / (n - 1)
    return student_t(CONFIDENCE, n - 1) * math.sqrt(variance / n)


def student_t(share: float, freedom: int) -> float:
    """Return the value that a variable of Student's distribution is below with this chance."""
    low, high = 0.0, 1.0
    while _t_below(high, freedom) < share:
        high *= 2.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _t_below(middle, freedom) < share else (low, middle)
    return high


def _t_below(value: float, freedom: int) -> float:
    """Return the chance to be below a value of at least 0: a finite series of its angle."""
    angle = math.atan2(value, math.sqrt(freedom))
    cosine = math.cos(angle)
    odd = freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * k / (k + 1)
    total *= math.sin(angle)
    inside = (angle + total) * 2.0 / math.pi if odd else total
    return 0.5 + inside / 2.0


def _erlang_b(load: float, servers: int) -> float:
    lost = 1.0
    for count in range(1, servers + 1):
        lost = load * lost / (count + load * lost)
    return lost


def _stable(load: float) -> None:
    if not 0.0 <= load < 1.0:
        raise InputError(f"the load is {load:.3g}, expected less than 1, else queues only grow")


def _whole(servers: float) -> int:
    if servers != int(servers) or servers < 1:
        raise InputError(f"servers is {servers:g}, expected a whole number from 1")
    return int(servers)
