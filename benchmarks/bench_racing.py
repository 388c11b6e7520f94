"""What racing saves, and whether it costs anything: ``python -m benchmarks racing``.

The same searches with the offline proposer, which is no model, with and without racing: the real
loop with its guards, but policies are tried in this process, as all of them are our own. What a
policy does on a scenario is computed once for both searches of a seed; tries are counted all the
same. Prints each seed as it ends; then the share of tries and of work, the scores of the best on
validation and test, and paired intervals over the seeds.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.bench_search import Kept
from benchmarks.in_process_trials import KnownTrials
from benchmarks.measure import LEAST, missed
from flows import assay_version
from flows.clock import SystemClock
from flows.history.records import EvaluationRow, Key, Row, key_of
from flows.judging.intervals import Interval, paired_interval
from flows.judging.splits import suite_splits
from flows.proposers.offline.proposer import offline_proposer
from flows.search.loop import run_search
from flows.search.racing import START_CALLS
from flows.search.session import Services
from flows.settings.search import SearchConfig, load_config
from sandbox.image import source_hash

MOST_SHARE = 1.0
"""Of the work of searches without racing, as promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """How one search ended."""

    tries: int
    """Candidate x scenario: train, repeats, validation and elites."""
    work: int
    """Calls of policies in all trials, baselines and test included, and ``START_CALLS`` for each
    cell: what takes the time, in a unit that repeats."""
    stopped: int
    confirmed: int
    validation: float
    test: float
    alike: int = 0
    """Candidates that decide as an earlier one on the first train scenario."""
    repeats: int = 0
    """Those that do so on all of train."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The searches of one seed."""

    seed: int
    plain: Searched
    raced: Searched


def main(arguments: Sequence[str] = ()) -> None:
    """Search with every seed, print the table and what was promised of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="smoke")
    parser.add_argument("--strategy", default="evolve")
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument(
        "--raced-candidates", type=int, help="with racing, for as many tries; usually the same"
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--kept", type=Path, help="a folder that keeps what policies did, for the next such run"
    )
    options = parser.parse_args(arguments)
    if LEAST:
        options.candidates, options.seeds = 2, 1
    raced = options.raced_candidates or options.candidates
    pair = partial(
        search_pair, options.suite, options.strategy, options.candidates, raced, options.kept
    )
    found = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for each in pool.map(pair, range(1, options.seeds + 1)):
            print(seed_line(each), flush=True)
            found.append(each)
    print(
        f"\noffline proposer (no model), suite {options.suite}, strategy {options.strategy}, "
        f"{options.candidates} candidates, with racing {raced}, {options.seeds} seeds; median "
        "(range) over seeds\n"
    )
    print("\n".join(table(found)))
    alike, repeats = sum(p.plain.alike for p in found), sum(p.plain.repeats for p in found)
    print(
        f"\na probe by the first train scenario, without racing: {alike} of "
        f"{options.candidates * len(found)} candidates decide there as an earlier one, "
        f"{repeats} of them everywhere"
    )
    share = share_of(found, "work")
    worse = [key for key in SCORES if change(found, key).high < 0.0]
    tries, most = f"{100 * share_of(found, 'tries'):.0f}", f"{100 * MOST_SHARE:.0f}"
    print(
        f"\nwith racing: {tries} % of the tries and {100 * share:.0f} % of the work without "
        f"(promise: at most {most} % of the work); significant losses: "
        f"{', '.join(worse) or 'none'} (promise: none)",
        flush=True,
    )
    if (share > MOST_SHARE and raced == options.candidates) or worse:
        missed("racing takes more work than promised, or loses")


def search_pair(
    suite: str, strategy: str, candidates: int, raced: int, kept: Path | None, seed: int
) -> Pair:
    """Search with one seed, without racing and with it, each for so many candidates.

    In the folder ``kept`` there is a file for each suite, seed and simulator.
    """
    name = f"{suite}-{seed}-{source_hash()[:12]}.pickle"
    trials = KnownTrials(None if kept is None else kept / name)
    plain = search_config(suite, strategy, candidates, seed, racing=False)
    racing = search_config(suite, strategy, raced, seed, racing=True)
    return Pair(seed=seed, plain=search_one(plain, trials), raced=search_one(racing, trials))


def search_config(
    suite: str, strategy: str, candidates: int, seed: int, racing: bool
) -> SearchConfig:
    """Return the settings of one search; audits, which decide nothing, are left out."""
    settings = {
        "name": "bench-racing",
        "suite": suite,
        "strategy": strategy,
        "seed": seed,
        "budget.candidates": candidates,
        "guards.audit_scenarios": 0,
        "racing.enabled": racing,
    }
    return load_config(None, settings)


def search_one(config: SearchConfig, trials: KnownTrials) -> Searched:
    """Search once and return how it ended."""
    journal, splits = Kept(), suite_splits(config.suite, config.domain)
    services = Services(
        scenarios=splits,
        sandbox=trials,
        proposer=offline_proposer(config.domain),
        journal=journal,
        clock=SystemClock(),
        assay_version=assay_version(),
        simulator_version=source_hash()[:12],
    )
    cells, calls = trials.cells, trials.calls
    result = run_search(config, services)
    trials.keep()
    rows = [row for row in result.candidates if row.iteration > 0]
    train = [scenario.name for scenario in splits.train]
    return Searched(
        tries=result.spend.evaluations,
        work=trials.calls - calls + START_CALLS * (trials.cells - cells),
        stopped=sum(row.standing == "stopped" for row in rows),
        confirmed=sum(row.validation_score is not None for row in rows),
        validation=(result.best and result.best.validation_score) or 0.0,
        test=result.test.get("score", 0.0),
        alike=repeated(journal.rows, train[:1]),
        repeats=repeated(journal.rows, train),
    )


def repeated(rows: Sequence[Row], scenarios: Sequence[str]) -> int:
    """Return how many candidates decide on all ``scenarios`` as an attempt before them."""
    decisions: dict[Key, dict[str, str | None]] = {}
    for row in rows:
        if isinstance(row, EvaluationRow) and row.attempt == 0 and row.scenario in scenarios:
            decisions.setdefault(key_of(row), {})[row.scenario] = row.decision_sha256
    known = [tuple(sorted(each.items())) for each in decisions.values()]
    whole = [each for each in known if len(each) == len(scenarios)]
    return len(whole) - len(set(whole))


def table(found: Sequence[Pair]) -> list[str]:
    """Return the table as Markdown: a row without racing, one with it, and what that changes."""
    lines = [
        "| racing | tries | work, 1000 calls | stopped | confirmed | best on validation | "
        "best on test |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, ends in (("no", [p.plain for p in found]), ("yes", [p.raced for p in found])):
        counts = [_spread([getattr(e, key) / UNITS[key] for e in ends], ".0f") for key in UNITS]
        scores = [_spread([getattr(e, key) for e in ends], ".2f") for key in SCORES]
        lines.append(f"| {name} | {' | '.join([*counts, *scores])} |")
    changes = [_words(change(found, key)) for key in SCORES]
    lines.append(
        f"| gain, paired | {100 * share_of(found, 'tries'):.0f} % | "
        f"{100 * share_of(found, 'work'):.0f} % | | | {changes[0]} | {changes[1]} |"
    )
    return lines


UNITS = {"tries": 1, "work": 1000, "stopped": 1, "confirmed": 1}
SCORES = ("validation", "test")


def seed_line(pair: Pair) -> str:
    """Return what a seed gave, as it is known before all seeds are."""
    plain, raced = pair.plain, pair.raced
    return (
        f"seed {pair.seed}: with racing {raced.tries} of {plain.tries} tries, "
        f"{100 * raced.work / plain.work:.0f} % of the work, validation {raced.validation:.3f} "
        f"against {plain.validation:.3f}, test {raced.test:.3f} against {plain.test:.3f}"
    )


def share_of(found: Sequence[Pair], key: str) -> float:
    """Return the tries or the work of all searches with racing as a share of those without."""
    raced, plain = (
        sum(getattr(each, key) for each in ends)
        for ends in ([p.raced for p in found], [p.plain for p in found])
    )
    return float(raced / plain)


def _spread(values: Sequence[float], form: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def change(found: Sequence[Pair], key: str) -> Interval:
    """Return what racing changes in a score, paired over the seeds."""
    ratios = [getattr(p.raced, key) / getattr(p.plain, key) for p in found]
    return paired_interval(ratios, seed=0)


def _words(interval: Interval) -> str:
    low, mean, high = interval.percent
    bounds = "" if interval.scenarios == 1 else f" ({low:+.1f} to {high:+.1f})"
    return f"{mean:+.1f} %{bounds}"


if __name__ == "__main__":
    main(sys.argv[1:])
