"""What racing saves, and whether it costs anything: ``python -m benchmarks racing``.

The same searches with the offline proposer, which is no model, with and without racing: the real
loop with its guards, but policies are tried in this process, as all of them are our own. What a
policy does on a scenario is computed once for both searches of a seed; tries are counted all the
same. Prints the share of tries, the scores of the best on validation and test, and paired intervals
over the seeds.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

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
from flows.search.session import Services
from flows.settings.search import SearchConfig, load_config
from sandbox.image import source_hash

MOST_SHARE = 0.6
"""Of the tries of searches without racing, as promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """How one search ended."""

    tries: int
    """Candidate x scenario: train, repeats, validation and elites."""
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
    options = parser.parse_args(arguments)
    if LEAST:
        options.candidates, options.seeds = 2, 1
    raced = options.raced_candidates or options.candidates
    pair = partial(search_pair, options.suite, options.strategy, options.candidates, raced)
    found = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for each in pool.map(pair, range(1, options.seeds + 1)):
            print(f"seed {each.seed}: {each.raced.tries} of {each.plain.tries} tries", flush=True)
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
    share = share_of_tries(found)
    worse = [key for key in SCORES if change(found, key).high < 0.0]
    print(
        f"\ntries with racing: {100 * share:.0f} % of those without (promise: at most "
        f"{100 * MOST_SHARE:.0f} %); significant losses: {', '.join(worse) or 'none'} "
        "(promise: none)",
        flush=True,
    )
    if (share > MOST_SHARE and raced == options.candidates) or worse:
        missed("racing takes more tries than promised, or loses")


def search_pair(suite: str, strategy: str, candidates: int, raced: int, seed: int) -> Pair:
    """Search with one seed, without racing and with it, each for so many candidates."""
    trials = KnownTrials()
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
    result = run_search(config, services)
    rows = [row for row in result.candidates if row.iteration > 0]
    train = [scenario.name for scenario in splits.train]
    return Searched(
        tries=result.spend.evaluations,
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
        "| racing | tries | stopped | confirmed | best on validation | best on test |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, ends in (("no", [p.plain for p in found]), ("yes", [p.raced for p in found])):
        counts = [_spread([getattr(e, key) for e in ends], ".0f") for key in COUNTS]
        scores = [_spread([getattr(e, key) for e in ends], ".2f") for key in SCORES]
        lines.append(f"| {name} | {' | '.join([*counts, *scores])} |")
    changes = [_words(change(found, key)) for key in SCORES]
    lines.append(
        f"| gain, paired | {100 * share_of_tries(found):.0f} % | | | {changes[0]} | {changes[1]} |"
    )
    return lines


COUNTS = ("tries", "stopped", "confirmed")
SCORES = ("validation", "test")


def share_of_tries(found: Sequence[Pair]) -> float:
    """Return the tries of all searches with racing as a share of those without."""
    return sum(p.raced.tries for p in found) / sum(p.plain.tries for p in found)


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
