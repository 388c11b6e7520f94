"""The history's figures: appending, ingesting, asking; ``python -m benchmarks history``.

Seconds are wall time unless they say CPU.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import missed, sized
from flows.history.check import check
from flows.history.journal import Journal
from flows.history.records import Row
from flows.history.store import ingest, query, rebuild
from tests.support.history_rows import candidate, evaluation, experiment, scenario

SLOTS = 250
SCENARIOS = 4
PROMISED_RECORDS_PER_SECOND = 5_000
PROMISED_VIEW_SECONDS = 1.0
LONG_ROWS = sized(3000, 30)
SAMPLES = {"a short scenario": 40, "the suite smoke": 340, "the suite paper": 1000}
"""Numbers in a row's metrics that make rows as long as those of real searches."""
VIEWS = (
    "leaderboard improvement_curve failures_by_kind cost_per_improvement generalisation_gap lineage"
).split()


def main(arguments: Sequence[str] = ()) -> None:
    """Print the figures; a promise that is missed ends with status 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=sized(100_000, 1_000))
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        _append_one_by_one(Path(folder) / "single")
        rate, slowest = _ingest_many(Path(folder) / "many", options.evaluations)
        for name, samples in SAMPLES.items():
            _row_lengths(Path(folder) / name, name, samples)
    if rate < PROMISED_RECORDS_PER_SECOND:
        missed(f"{PROMISED_RECORDS_PER_SECOND} records ingested per CPU second")
    if slowest > PROMISED_VIEW_SECONDS:
        missed(f"every view in {PROMISED_VIEW_SECONDS:g} CPU s")


def _append_one_by_one(home: Path) -> None:
    with Journal(home, "night") as journal:
        rows = [evaluation(attempt=number) for number in range(200)]
        taken = sorted(_seconds(partial(journal.append, row)) for row in rows)
    print(f"append, one wait for the disk each: median {1000 * taken[100]:.2f} ms")


def _ingest_many(home: Path, evaluations: int) -> tuple[float, float]:
    records = 0
    for number in range(max(1, evaluations // (SLOTS * SCENARIOS))):
        rows = list(_search(f"night-{number}"))
        records += len(rows)
        with Journal(home, f"night-{number}") as journal:
            journal.append_all(rows)
    cpu = time.process_time()
    wall = _seconds(lambda: ingest(home))
    cpu = time.process_time() - cpu
    size = (home / "history.duckdb").stat().st_size / 1e6
    print(
        f"ingest: {records} records in {wall:.2f} s ({records / wall:.0f}/s), {cpu:.2f} CPU s "
        f"({records / cpu:.0f}/s, promised {PROMISED_RECORDS_PER_SECOND}), {size:.0f} MB published"
    )
    print(f"query, nothing new: {1000 * _seconds(lambda: query(home, 'SELECT 1')):.0f} ms")
    with Journal(home, "late") as journal:
        journal.append(experiment(experiment_id="late"))
    print(f"query, one new row: {1000 * _seconds(lambda: query(home, 'SELECT 1')):.0f} ms")
    slowest = 0.0
    for view in VIEWS:
        sql = f"SELECT count(*), max(COLUMNS(*)) FROM {view}"
        cpu_seconds = _cpu_seconds(partial(query, home, sql))
        slowest = max(slowest, cpu_seconds)
        print(f"view {view}: {1000 * cpu_seconds:.0f} ms CPU, promised {PROMISED_VIEW_SECONDS:g} s")
    print(f"check of every row: {_cpu_seconds(partial(check, home)):.1f} s CPU")
    print(f"rebuild: {_cpu_seconds(partial(rebuild, home)):.1f} s CPU")
    return records / cpu, slowest


def _row_lengths(home: Path, name: str, samples: int) -> None:
    """Rows whose metrics are as long as those of a real search."""
    metrics = {"timeline": [number / 7 for number in range(samples)]}
    with Journal(home, "night") as journal:
        journal.append_all([evaluation(attempt=n, metrics=metrics) for n in range(LONG_ROWS)])
        kilobytes = journal.path.stat().st_size / LONG_ROWS / 1000
    cpu = _cpu_seconds(partial(ingest, home))
    print(f"ingest, rows as of {name} ({kilobytes:.1f} kB): {LONG_ROWS / cpu:.0f} per CPU s")


def _search(name: str) -> Iterator[Row]:
    """One search of many candidates, each from the one before."""
    yield experiment(experiment_id=name, name=name)
    for place in range(SCENARIOS):
        yield scenario(experiment_id=name, scenario=f"s{place}")
    source = "x = 1  # a line of the policy\n" * 60
    metrics = {"latency": {"query": {"mean": 1.5, "p99": 9.5}}, "timeline": [1.5] * 60}
    for number in range(SLOTS):
        yield candidate(
            experiment_id=name,
            iteration=number,
            candidate=f"c{number}",
            parents=[f"c{number // 2}"],
            source=source,
            score=1 + number / 100,
            improved=True,
        )
        for place in range(SCENARIOS):
            yield evaluation(
                experiment_id=name, iteration=number, scenario=f"s{place}", metrics=metrics
            )


def _cpu_seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main(sys.argv[1:])
