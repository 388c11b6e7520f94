"""Other simulators find the same: SimFaaS, Ciw and libCacheSim, on the same traces to the µs.

What they found is recorded (``tests/data/differential``), so these tests need none of them.
"""

import math
import statistics
from typing import Any

import pytest

from tests.domains.faas.differential.cases import (
    CACHES,
    KEEP_ALIVES,
    QUEUES,
    SAME_TRACE_KEEP_ALIVES,
    digest,
)
from tests.domains.faas.differential.ours import (
    cache_hits,
    example_figures,
    queue_waits,
    same_trace,
)
from tests.domains.faas.differential.record import (
    EXAMPLE,
    OTHERS,
    SAME_TRACE,
    record,
    recorded,
    summary,
)

RUNS = 6
MOST_ERRORS = 4
"""How many standard errors two means may be apart."""


def test_every_wait_in_a_queue_is_that_of_ciw() -> None:
    found = {name: summary(queue_waits(queue)) for name, queue in QUEUES.items()}

    assert found == recorded("ciw")["queues"]


def test_every_warm_hit_is_a_hit_in_libcachesim() -> None:
    theirs = recorded("libcachesim")["caches"]

    ours = {
        name: {each: _found(cache_hits(name, each)) for each in algorithms if each != "Belady"}
        for name, algorithms in CACHES.items()
    }

    most = theirs["equal"].pop("Belady")["hits"]
    assert ours == theirs
    assert max(each["hits"] for each in ours["equal"].values()) < most


def _found(hits: str) -> dict[str, Any]:
    return {"hits": hits.count("h"), "hits_sha256": digest(hits)}


def test_every_instance_lives_as_long_as_in_simfaas() -> None:
    found = {}
    for keep_alive in SAME_TRACE_KEEP_ALIVES:
        cold, lives = same_trace(keep_alive)
        found[str(keep_alive)] = {
            "cold": cold, "instances": len(lives), "lives_sha256": digest(lives)
        }  # fmt: skip

    assert found == recorded("simfaas")[SAME_TRACE]


@pytest.mark.parametrize("keep_alive", KEEP_ALIVES)
def test_the_example_of_simfaas_has_its_figures_with_other_random_numbers(keep_alive: int) -> None:
    """Means over runs: the central limit theorem says how far they may be apart."""
    theirs = recorded("simfaas")[EXAMPLE][str(keep_alive)]

    runs = [example_figures(seed, keep_alive) for seed in range(RUNS)]

    apart = {}
    for name, values in theirs.items():
        ours = [run[name] for run in runs]
        error = math.sqrt(_squared_error(ours) + _squared_error(values))
        assert error < 0.2 * statistics.mean(values), f"{name}: the sample says too little"
        apart[name] = (statistics.mean(ours) - statistics.mean(values)) / error
    assert max(map(abs, apart.values())) < MOST_ERRORS, apart


def _squared_error(values: list[float]) -> float:
    return statistics.variance(values) / len(values)


@pytest.mark.nightly
@pytest.mark.parametrize("other", OTHERS)
def test_what_is_recorded_is_what_the_other_simulator_finds_now(other: str) -> None:
    """They run in environments of their own, which ``make simulators`` makes."""
    before, now = recorded(other), record(other)

    before_example, example = before.pop(EXAMPLE, {}), now.pop(EXAMPLE, {})
    assert now == before
    assert example.keys() == before_example.keys()
    for keep_alive, figures in example.items():
        assert figures == {
            name: pytest.approx(values, rel=1e-6)
            for name, values in before_example[keep_alive].items()
        }
