"""Whether parents from the front find more than parents by rank: ``python -m benchmarks parents``.

Searches with the strategy ``evolve`` and the offline proposer, in this process, each seed with
both. Prints paired intervals over seeds: of the best validation score, of its score on test, and of
the hypervolume over the families of train scenarios, in logarithms of scores above the reference.
"""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.bench_search import curve_of, search_config, searched
from benchmarks.in_process_trials import KnownTrials
from benchmarks.measure import LEAST
from flows.history.records import EvaluationRow, Row, ScenarioRow
from flows.judging.intervals import paired_interval
from flows.judging.splits import TRAIN
from flows.settings.search import SearchConfig

WAYS = ("rank", "front")
POINTS = 20_000
"""Draws behind a hypervolume; the same for all searches."""

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one search found."""

    validation: float
    test: float
    fronts: Scores
    """Per attempt and family: the logarithm of its score, 0 where it is no better than 1."""


def main(arguments: Sequence[str] = ()) -> None:
    """Search with both ways and print how they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="smoke")
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args(arguments)
    if LEAST:
        options.suite, options.candidates, options.seeds = "smoke", 1, 1
    pairs = [
        [config_of(options.suite, way, seed, options.candidates) for way in WAYS]
        for seed in range(1, options.seeds + 1)
    ]
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        found = [each for both in pool.map(search_both, pairs) for each in both]
    print(f"suite {options.suite}, {options.candidates} candidates, {options.seeds} seeds:")
    tell("best validation score", [each.validation for each in found])
    tell("its score on test", [each.test for each in found])
    tell("hypervolume over families", volumes([each.fronts for each in found]))


def config_of(suite: str, way: str, seed: int, candidates: int) -> SearchConfig:
    """Return the settings of one search."""
    config = search_config(suite, "evolve", seed, candidates)
    return config.model_copy(update={"evolve": config.evolve.model_copy(update={"parents": way})})


def search_both(configs: Sequence[SearchConfig]) -> list[Found]:
    """Search with each configuration; what several of them try is tried once."""
    trials = KnownTrials()
    found = []
    for config in configs:
        rows, result = searched(config, trials)
        curve = curve_of(config, result)
        best, test = curve.best[-1], curve.test_score or 1.0
        found.append(Found(validation=best, test=test, fronts=family_scores(rows)))
        print(f"{config.evolve.parents}, seed {config.seed}: {best:.3f}", flush=True)
    return found


def family_scores(rows: Sequence[Row]) -> Scores:
    """Return the logarithm of the train score in each family, a row for each attempt."""
    families = {
        row.scenario: row.family
        for row in rows
        if isinstance(row, ScenarioRow) and row.split == TRAIN
    }
    names = sorted(set(families.values()))
    logs: dict[tuple[int, int], dict[str, list[float]]] = {}
    for row in rows:
        if isinstance(row, EvaluationRow) and row.scenario in families and row.attempt == 0:
            found = logs.setdefault((row.iteration, row.slot), {name: [] for name in names})
            found[families[row.scenario]].append(math.log(max(row.score or 0.0, 1e-9)))
    table = [
        [np.mean(each[name]) if each[name] else 0.0 for name in names] for each in logs.values()
    ]
    return np.array(np.maximum(np.array(table), 0.0), dtype=np.float64)


def volumes(fronts: Sequence[Scores]) -> list[float]:
    """Return the part of a box, from 1 to the best of all, that each set of attempts dominates."""
    most = np.maximum(np.max([front.max(axis=0) for front in fronts], axis=0), 1e-9)
    points = np.random.default_rng(0).random((POINTS, len(most))) * most
    sizes = []
    for front in fronts:
        under = np.zeros(POINTS, dtype=bool)
        for each in front:
            under |= (points <= each).all(axis=1)
        sizes.append(float(under.mean()))
    return sizes


def tell(what: str, values: Sequence[float]) -> None:
    """Print the means of both ways, and the interval of the ratio over seeds."""
    ranks, fronts = values[0::2], values[1::2]
    ratios = [max(f, 1e-9) / max(r, 1e-9) for r, f in zip(ranks, fronts, strict=True)]
    words = paired_interval(ratios, seed=0).words().replace("scenario", "seed")
    means = f"rank {np.mean(ranks):.4f}, front {np.mean(fronts):.4f}"
    print(f"{what}: {means}; front is {words}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
