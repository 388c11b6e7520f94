"""The engine against the tick-by-tick oracle, in one run: ``python -m benchmarks engine``.

Both run the same policy on the same paper traces; their statistics must be equal. The oracle is
slow: by default one trace and two policies, with ``python -m benchmarks.bench_engine --all`` ten
traces and three policies.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import least_cpu_seconds, missed, sized
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import load_suite, policy_source
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.tracefile import read_trace, write_trace
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

SECONDS = sized(600, 10)
"""Of each trace; all of it, but for the least size."""

MOST_SECONDS = 0.1
"""Promised for naive on one trace, reading it included."""


def main(arguments: Sequence[str] = ()) -> None:
    """Print one table; a promise that is missed ends the program with status 1."""
    options = _options(arguments)
    scenarios = [
        replace(each, params=replace(each.params, duration=SECONDS))
        for each in load_suite("paper").scenarios[: sized(options.traces, 1)]
    ]
    print(
        f"{len(scenarios)} of the paper traces, {SECONDS} s at 1000 ticks per second, CPU seconds"
    )
    print(f"{'policy':10} {'calls':10} {'oracle':>8} {'engine':>8} {'ratio':>7} {'promised':>9}")
    bad = [each for policy in options.policies for each in _compare(policy, scenarios)]
    bad += _from_a_file(scenarios[0])
    if bad:
        missed("; ".join(bad))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=1, help="how many of the ten paper traces")
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=list(POLICIES[:2]))
    parser.add_argument("--all", action="store_true", help="all ten traces and three policies")
    options = parser.parse_args(arguments)
    if options.all:
        options.traces, options.policies = 10, list(POLICIES)
    return options


def _compare(policy: str, scenarios: Sequence[Scenario]) -> list[str]:
    """Print one line for each way of calling a policy; return what is not as promised."""
    source = policy_source(policy)
    given = [
        replace(each, params=replace(each.params, allow_memory_overcommit=policy == "overbook"))
        for each in scenarios
    ]
    by_ticks, expected = least_cpu_seconds(partial(_oracle_stats, given, source), repeats=1)
    bad = []
    for calls in ("on_change", "every_tick"):
        seconds, found = least_cpu_seconds(partial(_engine_stats, given, source, calls))
        ratio, least = by_ticks / seconds, LEAST.get((policy, calls))
        equal = "statistics equal" if found == expected else "STATISTICS DIFFER"
        promise = "" if least is None else f"{least}x"
        figures = f"{by_ticks:8.2f} {seconds:8.3f} {ratio:6.1f}x {promise:>9}"
        print(f"{policy:10} {calls:10} {figures}  {equal}", flush=True)
        if found != expected:
            bad.append(f"{policy} {calls}: statistics differ from the oracle's")
        if least is not None and ratio < least:
            bad.append(f"{policy} {calls}: {ratio:.1f}x, promised {least}x")
    return bad


def _from_a_file(scenario: Scenario) -> list[str]:
    """Print what naive on one trace takes with the reading of its file."""
    params = replace(scenario.params, policy_calls="on_change")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.csv"
        write_trace(scenario.workload, path, params.ticks_per_second)
        seconds, _ = least_cpu_seconds(partial(_read_and_simulate, path, params))
    line = f"{'naive':10} {'on_change':10} {'':8} {seconds:8.3f} {'':7} {MOST_SECONDS:>8}s"
    print(f"{line}  one trace, read from its file", flush=True)
    if seconds <= MOST_SECONDS:
        return []
    return [f"naive with the reading of its trace: {seconds:.3f} s, promised {MOST_SECONDS} s"]


def _read_and_simulate(path: Path, params: Params) -> None:
    workload = read_trace(path, params.ticks_per_second)
    simulate(workload, params, local_policy(policy_source("naive")))


def _oracle_stats(scenarios: Sequence[Scenario], source: str) -> list[dict[str, Any]]:
    return [simulate_by_ticks(each.workload, each.params, source).stats for each in scenarios]


def _engine_stats(scenarios: Sequence[Scenario], source: str, calls: str) -> list[dict[str, Any]]:
    return [
        simulate(
            each.workload, replace(each.params, policy_calls=calls), local_policy(source)
        ).stats
        for each in scenarios
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
