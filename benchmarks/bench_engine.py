"""The engine against the tick-by-tick oracle, in one run: ``python -m benchmarks.bench_engine``.

Both run the same policy on the same paper traces; their statistics must be equal.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from simulator.engine import simulate
from simulator.library import policy_source
from simulator.local_policy import LocalPolicy
from simulator.scenario import Scenario
from simulator.suites import load_suite
from tests.oracle.ticks import simulate_by_ticks

POLICIES = ("naive", "priority", "overbook")
LEAST = {
    ("naive", "on_change"): 60,
    ("priority", "on_change"): 30,
    ("overbook", "on_change"): 8,
    ("naive", "every_tick"): 6,
    ("priority", "every_tick"): 3,
}
"""Ratios that are promised: oracle seconds per engine second."""


REPEATS = 3
"""The engine's time is the least of so many runs; the oracle runs once."""


def main(arguments: Sequence[str] = ()) -> int:
    """Print a table of seconds and ratios; return 1 if statistics differ or a ratio is missed."""
    options = _options(arguments)
    scenarios = load_suite("paper").scenarios[: options.traces]
    print(f"{len(scenarios)} of the paper traces, 600 s at 1000 ticks per second, CPU seconds")
    print(f"{'policy':10} {'calls':10} {'oracle':>8} {'engine':>8} {'ratio':>7} {'promised':>9}")
    good = [_compare(policy, scenarios) for policy in options.policies]
    return 0 if all(good) else 1


def _compare(policy: str, scenarios: Sequence[Scenario]) -> bool:
    """Print one line for each way of calling a policy; tell whether all is as promised."""
    given = [_with_overcommit(scenario, policy) for scenario in scenarios]
    source = policy_source(policy)
    by_ticks, expected = _timed(_oracle_stats, given, source)
    good = True
    for calls in ("on_change", "every_tick"):
        called = [_called(each, calls) for each in given]
        # The engine is so quick that one collection of garbage would double its time.
        seconds, found = min(
            (_timed(_engine_stats, called, source) for _ in range(REPEATS)), key=itemgetter(0)
        )
        ratio, least = by_ticks / seconds, LEAST.get((policy, calls), 0)
        equal = "statistics equal" if found == expected else "STATISTICS DIFFER"
        good = good and found == expected and ratio >= least
        figures = f"{by_ticks:8.2f} {seconds:8.3f} {ratio:6.1f}x {least:8}x"
        print(f"{policy:10} {calls:10} {figures}  {equal}", flush=True)
    return good


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=1, help="how many of the ten paper traces")
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=list(POLICIES[:2]))
    return parser.parse_args(arguments)


def _with_overcommit(scenario: Scenario, policy: str) -> Scenario:
    params = replace(scenario.params, allow_memory_overcommit=policy == "overbook")
    return replace(scenario, params=params)


def _called(scenario: Scenario, policy_calls: str) -> Scenario:
    return replace(scenario, params=replace(scenario.params, policy_calls=policy_calls))


def _oracle_stats(scenario: Scenario, source: str) -> dict[str, Any]:
    return simulate_by_ticks(scenario.workload, scenario.params, source).stats


def _engine_stats(scenario: Scenario, source: str) -> dict[str, Any]:
    return simulate(scenario.workload, scenario.params, LocalPolicy(source)).stats


def _timed(
    work: Callable[[Scenario, str], dict[str, Any]], scenarios: Sequence[Scenario], source: str
) -> tuple[float, list[dict[str, Any]]]:
    gc.collect()
    before = time.process_time()
    stats = [work(scenario, source) for scenario in scenarios]
    return time.process_time() - before, stats


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
