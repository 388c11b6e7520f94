"""What Prefect costs: seconds per experiment and milliseconds per candidate, beside plain calls.

Run it with ``python -m benchmarks orchestration``. Trials are instant here, so that nothing but the
loop, its journal and Prefect is measured; both ways run in turns in one process, on a server that
was started for them. Seconds are wall time.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import sized
from flows.history.journal import Journal
from flows.orchestration.server import START_SECONDS, prepare_prefect, running_server
from flows.search.loop import run_search
from flows.settings.search import experiment_id
from tests.support.search_fakes import FakeProposer, better_each_time, config, services

SMALL, LARGE = 2, sized(22, 3)
"""Candidates of the two experiments whose difference is the price of a candidate."""


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=sized(3, 1))
    rounds = parser.parse_args(arguments).rounds
    before = dict(os.environ)
    with TemporaryDirectory() as folder:
        prepare_prefect(Path(folder), os.environ)
        began = time.perf_counter()
        with running_server(os.environ, START_SECONDS) as url:
            print(f"a server of its own, new files: {time.perf_counter() - began:.1f} s to start")
            os.environ["PREFECT_API_URL"] = url
            _compare(Path(folder), rounds)
            _flush_log()
    os.environ.clear()
    os.environ.update(before)


def _compare(folder: Path, rounds: int) -> None:
    began = time.perf_counter()
    through_prefect = _flow()
    print(f"import of Prefect and our flows: {time.perf_counter() - began:.1f} s")
    through_prefect(folder / "warm", SMALL)
    taken: dict[tuple[str, int], list[float]] = {}
    for number in range(rounds):
        for name, way in (("plain calls", _plain), ("through Prefect", through_prefect)):
            for size in (SMALL, LARGE):
                began = time.perf_counter()
                way(folder / f"{name} {size} {number}", size)
                taken.setdefault((name, size), []).append(time.perf_counter() - began)
    print(f"one experiment of instant trials, medians of {rounds}")
    prices = {}
    for name in ("plain calls", "through Prefect"):
        small, large = (statistics.median(taken[name, size]) for size in (SMALL, LARGE))
        each = max(0.0, (large - small) / (LARGE - SMALL))
        prices[name] = (small - SMALL * each, each)
        once = f"{prices[name][0]:6.2f} s an experiment"
        print(f"  {name:16} {once}, {each * 1e3:7.1f} ms a candidate ({SMALL}: {small:.2f} s)")
    once, each = (b - a for a, b in zip(*prices.values(), strict=True))
    print(f"  Prefect adds     {once:6.2f} s an experiment, {each * 1e3:7.1f} ms a candidate")


def _plain(home: Path, candidates: int, around: Any = None) -> None:
    chosen = config(budget__candidates=candidates)
    with Journal(home, experiment_id(chosen)) as journal:
        fakes = services(FakeProposer(better_each_time), journal=journal)
        run_search(chosen, fakes, around=around)


def _flow() -> Callable[[Path, int], None]:
    from prefect import flow

    from flows.orchestration.prefect_flows import in_a_task

    @flow(name="bench", persist_result=False)
    def bench(home: Path, candidates: int) -> None:
        _plain(home, candidates, in_a_task)

    return bench


def _flush_log() -> None:
    """Send what Prefect still has to log while its server is there."""
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()


if __name__ == "__main__":
    main(sys.argv[1:])
