"""What a search found: its leaderboard, and its verdict in one sentence."""

from collections.abc import Iterable, Sequence

from flows.history.records import CandidateRow, EventRow, Key, format_key, key_of
from flows.judging.guards import BARRED
from flows.judging.intervals import Interval
from flows.untrusted import counted

HEADERS = (
    "rank", "train", "validation", "standing", "outcome", "attempt", "made by", "candidate",
    "title",
)  # fmt: skip
ENOUGH = 8
"""With fewer scenarios a bootstrap covers less than its level: see docs/search.md."""
EXPENDABLE = ("candidate", "made by", "outcome", "attempt", "standing")
"""Columns that a narrow terminal omits, the first ones first."""


def leaderboard(candidates: Sequence[CandidateRow], top: int = 10) -> list[tuple[str, ...]]:
    """Return the ``top`` ranked attempts and all baselines; repeats of a candidate are left out.

    The best is the last that was promoted.
    """
    best = max((key_of(row) for row in candidates if row.improved), default=None)
    scored = [row for row in candidates if row.score is not None and row.duplicate_of is None]
    shown = [
        (rank, row)
        for rank, row in enumerate(in_order(scored, best), start=1)
        if rank <= top or row.origin == "baseline"
    ]
    return [_cells(rank, row) for rank, row in shown]


def in_order(candidates: Iterable[CandidateRow], best: Key | None) -> list[CandidateRow]:
    """Return candidates as the history's ``leaderboard`` orders them.

    First ``best``, then the others by their score on train, which the search goes by, those without
    one behind them, and last what was barred.
    """
    return sorted(
        candidates,
        key=lambda row: (
            key_of(row) != best,
            row.standing == BARRED,
            -(-1.0 if row.score is None else row.score),
            key_of(row),
        ),
    )


def _cells(rank: int, row: CandidateRow) -> tuple[str, ...]:
    return (
        str(rank),
        f"{row.score:.4f}",
        f"{row.validation_score:.4f}" if row.validation_score is not None else "",
        row.standing,
        row.outcome,
        format_key(key_of(row)),
        f"{row.origin}/{row.operator}" if row.origin != row.operator else row.origin,
        (row.candidate or "")[:8],
        row.title,
    )


def verdict_of(
    baselines: Sequence[CandidateRow], best: CandidateRow | None, tests: Sequence[EventRow]
) -> str:
    """Return the verdict on an experiment, finished or not."""
    if tests:
        return tests[-1].message
    if best is None:
        return "no result yet: no baseline completed every scenario"
    if best.iteration == 0:
        return stays(best.title)
    bar = max(baselines, key=_worth)
    return (
        f"{best.title} ({best.iteration}/{best.slot}) is the best: {best.standing_detail} "
        f"(the best baseline is {bar.title}); the test scenarios were not used"
    )


def stays(title: str) -> str:
    """Return the verdict when no candidate was promoted."""
    return f"no candidate was significantly better: the baseline {title} remains the best"


def verdict_on_test(
    best: CandidateRow, score: float, bar: str, bar_score: float, interval: Interval, test: str
) -> str:
    """Return the verdict from ``test``, ``bar`` being the best baseline there."""
    gain = f"{best.title} ({best.iteration}/{best.slot}) against {bar}, {interval.words()}"
    if interval.scenarios > 1 and interval.low > 0.0:
        start = "significantly better than the best baseline"
    elif interval.scenarios > 1 and interval.high < 0.0:
        start = "significantly worse than the best baseline"
    else:
        start = "no significant difference from the best baseline"
    verdict = f"{start} on {test}: {gain}; score {score:.3f} against {bar_score:.3f}"
    if 1 < interval.scenarios < ENOUGH:
        verdict += f"; with {counted(interval.scenarios, 'scenario')} the interval is approximate"
    return verdict


def _worth(row: CandidateRow) -> float:
    return (row.score if row.validation_score is None else row.validation_score) or 0.0
