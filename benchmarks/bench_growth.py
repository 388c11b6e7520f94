"""How the engine's time and memory grow: ``python -m benchmarks growth``.

Time should grow with events and with nothing else: not with ticks per second, with a duration in
which nothing arrives, or with pipelines that wait. Each group of rows varies one thing; the ratio
compares a row with the first of its group. Times are CPU seconds, on change, the least of three.
"""

import gc
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from benchmarks.growth_workloads import (
    BASE,
    GROWING,
    PACKER,
    WORK,
    ClockedPolicy,
    at_once,
    bytes_per_operator,
    spread,
    with_runners,
)
from benchmarks.measure import least_of_each, missed, sized
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Segment, Workload

Case = tuple[str, Workload, Params]

PART = sized(1, 50)
"""All sizes are divided by it."""

MOST_RATIO = 3.0
"""What is flat stays below it on a busy machine; in so wide ranges a curve that bends does not."""

SECONDS_APART = 0.05
"""Between two arrivals, where their number grows: about 40 containers run at any time."""

QUEUE_EVENTS = 3_000 // PART
"""Containers that 10 cpus can run within the duration."""

MOST_BYTES = 1024
"""Promised for an operator that waits."""


def main(arguments: Sequence[str] = ()) -> None:
    """Print one table; a curve that bends more than is promised ends the program with status 1."""
    del arguments
    print(
        f"{'what grows':42} {'CPU s':>8} {'events':>8} {'us each':>8} {'ratio':>6} {'at most':>8}"
    )
    bad = [
        *_group(_by_events(), MOST_RATIO),
        *_group(_by_rate(WORK, "fixed memory"), MOST_RATIO),
        *_group(_by_rate(GROWING, "growing memory"), None),
        *_group(_by_duration(), MOST_RATIO),
        *_queue(MOST_RATIO),
        *_group(_by_pools(), MOST_RATIO),
        *_group(_by_running(), None),
        *_memory(),
    ]
    if bad:
        missed("; ".join(bad))


def _by_events() -> list[Case]:
    """More and more work on a cluster that keeps up with it."""
    cases = []
    for count in (1_000 // PART, 10_000 // PART, 100_000 // PART):
        seconds = SECONDS_APART * count
        cases.append((f"{count} pipelines", spread(count, WORK, BASE, seconds), _lasting(seconds)))
    return cases


def _by_rate(work: Segment, memory: str) -> list[Case]:
    """The same events at the same times, with finer and finer ticks."""
    cases = []
    for rate in (10, 100, 1_000, 10_000):
        params = replace(BASE, ticks_per_second=rate)
        cases.append(
            (f"{rate} ticks/s, {memory}", spread(3_000 // PART, work, params, 600.0), params)
        )
    return cases


def _by_duration() -> list[Case]:
    return [
        (
            f"600 s of arrivals in {seconds} s",
            spread(3_000 // PART, WORK, BASE, 600.0),
            _lasting(seconds),
        )
        for seconds in (600, 6_000, 60_000)
    ]


def _by_pools() -> list[Case]:
    return [
        (
            f"{pools} pools",
            spread(5_000 // PART, WORK, BASE, 600.0),
            replace(BASE, num_pools=pools, cpus_per_pool=128 // pools),
        )
        for pools in (1, 4, 16, 64)
    ]


def _by_running() -> list[Case]:
    """Containers that never end beside those that come and go, in one pool."""
    work = spread(3_000 // PART, WORK, BASE, 600.0)
    return [
        (
            f"{running} containers always running",
            with_runners(running, work),
            replace(BASE, cpus_per_pool=running + 64),
        )
        for running in (1, 10, 100, 1_000)
    ]


def _queue(most: float) -> list[str]:
    """What the first events cost while so many pipelines wait, their arrival left out."""
    sizes = (1_000 // PART, 10_000 // PART, 100_000 // PART)
    workloads = [at_once(waiting + QUEUE_EVENTS, WORK) for waiting in sizes]
    params = replace(BASE, cpus_per_pool=10)
    runs = least_of_each([partial(_after_arrival, workload, params) for workload in workloads])
    first, bad = runs[0][1][1], []
    for waiting, (_, (arrival, seconds)) in zip(sizes, runs, strict=True):
        ratio = seconds / first
        bad += _row(f"{waiting} pipelines waiting", seconds, QUEUE_EVENTS, ratio, most)
        print(f"{'  their arrival':42} {arrival:8.3f} {waiting:8} {1e6 * arrival / waiting:8.1f}")
    return bad


def _after_arrival(workload: Workload, params: Params) -> tuple[float, float]:
    """Return the CPU seconds up to the first decision, and from there to the last call."""
    policy = ClockedPolicy(PACKER)
    gc.freeze()
    simulate(workload, params, policy)
    gc.unfreeze()
    return policy.first - policy.begun, policy.last - policy.first


def _group(cases: list[Case], most: float | None) -> list[str]:
    """Print one line for each case, with the ratio of its time per event to the first one's."""
    measured = least_of_each([partial(_ended, workload, params) for _, workload, params in cases])
    first, bad = measured[0][0] / measured[0][1], []
    for (name, _, _), (seconds, events) in zip(cases, measured, strict=True):
        bad += _row(name, seconds, events, seconds / events / first, most)
    return bad


def _row(name: str, seconds: float, events: int, ratio: float, most: float | None) -> list[str]:
    """Print one line; return what is wrong with it, if anything."""
    promise = "" if most is None else f"{most:.1f}"
    each = 1e6 * seconds / events
    print(f"{name:42} {seconds:8.3f} {events:8} {each:8.1f} {ratio:6.2f} {promise:>8}", flush=True)
    return [] if most is None or ratio <= most else [f"{name}: {ratio:.2f} times the first"]


def _ended(workload: Workload, params: Params) -> int:
    """Simulate and return how many containers ended."""
    run = simulate(workload, params, local_policy(PACKER))
    ended: int = run.stats["containers_completed"]
    return max(ended, 1)


def _memory() -> list[str]:
    bad = []
    for count, length in ((100_000 // PART, 1), (10_000 // PART, 10), (1_000 // PART, 100)):
        each = bytes_per_operator(count, length)
        print(f"{count} pipelines of {length} operators waiting: {each:.0f} bytes an operator")
        if each > MOST_BYTES:
            bad.append(f"{each:.0f} bytes an operator, promised {MOST_BYTES}")
    return bad


def _lasting(seconds: float) -> Params:
    return replace(BASE, duration=seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
