"""How fast searches find better policies: ``python -m benchmarks.bench_search``.

The three strategies with the offline proposer, which is no model, each with several seeds: the
real search with its guards, but policies are tried in this process, as all of them are our own.
Prints a table and writes ``search.csv`` and ``search.svg``.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from benchmarks.in_process_trials import InProcessTrials
from benchmarks.measure import LEAST, sized
from benchmarks.search_curves import Curve, drawing, table, write_csv
from flows import assay_version
from flows.clock import SystemClock
from flows.history.records import CandidateRow, Row
from flows.judging.splits import suite_splits
from flows.proposers.offline.proposer import offline_proposer
from flows.search.loop import run_search
from flows.search.progress import SearchResult
from flows.search.session import Services
from flows.settings.search import SearchConfig, load_config
from sandbox.image import source_hash
from simulator.errors import InputError
from simulator.whole_files import write_text

STRATEGIES = sized(("refine", "best_of_n", "evolve"), ("refine",))
ROOT = Path(__file__).resolve().parent.parent
COLUMNS = sized(4, 1)


@dataclass(slots=True)
class Kept:
    """A journal that keeps its rows in memory."""

    rows: list[Row] = field(default_factory=list)

    def append_all(self, rows: Sequence[Row]) -> None:
        self.rows.extend(rows)


def main(arguments: Sequence[str] = ()) -> None:
    """Search, print the table, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="smoke")
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    options = parser.parse_args(arguments)
    if LEAST:
        options.suite, options.candidates, options.seeds = "smoke", 1, 1
        options.out = options.out / "least"
    curves = search_all(options.suite, options.candidates, options.seeds)
    count = options.candidates
    at = sorted({max(1, count * part // COLUMNS) for part in range(1, COLUMNS + 1)})
    print(f"\noffline proposer (no model), suite {options.suite}, {options.seeds} seeds:")
    print("validation score of the best promoted so far, median (range); on test: at the end\n")
    print("\n".join(table(curves, at)))
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(curves, options.out / "search.csv")
    title = f"Offline proposer on {options.suite}: validation score of the best so far"
    write_text(options.out / "search.svg", drawing(curves, title), InputError)
    print(f"\nwritten: {options.out / 'search.csv'}, {options.out / 'search.svg'}", flush=True)


def search_all(suite: str, candidates: int, seeds: int) -> list[Curve]:
    """Run every search, as many side by side as there are processors."""
    settings = [
        search_config(suite, strategy, seed, candidates)
        for strategy, seed in product(STRATEGIES, range(1, seeds + 1))
    ]
    curves = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for curve in pool.map(search_one, settings):
            print(f"{curve.strategy}, seed {curve.seed}: {curve.best[-1]:.2f}", flush=True)
            curves.append(curve)
    return curves


def search_config(suite: str, strategy: str, seed: int, candidates: int) -> SearchConfig:
    """Return the settings of one search; audits, which decide nothing, are left out."""
    settings = {
        "name": f"bench-{strategy}",
        "suite": suite,
        "strategy": strategy,
        "seed": seed,
        "budget.candidates": candidates,
        "guards.audit_scenarios": 0,
    }
    return load_config(None, settings)


def search_one(config: SearchConfig) -> Curve:
    """Search once and return its curve."""
    return curve_of(config, searched(config)[1])


def searched(
    config: SearchConfig, trials: InProcessTrials | None = None
) -> tuple[list[Row], SearchResult]:
    """Search once; return all rows and the result. ``trials`` may be shared between searches."""
    kept = Kept()
    services = Services(
        scenarios=suite_splits(config.suite, config.domain),
        sandbox=trials or InProcessTrials(),
        proposer=offline_proposer(config.domain),
        journal=kept,
        clock=SystemClock(),
        assay_version=assay_version(),
        simulator_version=source_hash()[:12],
    )
    return kept.rows, run_search(config, services)


def curve_of(config: SearchConfig, result: SearchResult) -> Curve:
    """Return the best so far after each candidate, and what the end of the search says."""
    rows = sorted(result.candidates, key=lambda row: (row.iteration, row.slot))
    baselines = [row for row in rows if row.iteration == 0]
    bar = max(baselines, key=validation_score)
    best = list(best_so_far(rows))[len(baselines) :]
    return Curve(
        strategy=config.strategy,
        seed=config.seed,
        best=tuple(best),
        test_score=result.test.get("score"),
        bar=validation_score(bar),
        bar_test_score=result.test.get("baseline_score"),
    )


def best_so_far(rows: Sequence[CandidateRow]) -> Iterator[float]:
    """Yield after each row the validation score of the last that was promoted."""
    best = 1.0
    for row in rows:
        if row.improved:
            best = validation_score(row)
        yield best


def validation_score(row: CandidateRow) -> float:
    """Return the score on validation; a row that was not tried there has none to speak of."""
    return row.validation_score or 0.0


if __name__ == "__main__":
    main(sys.argv[1:])
