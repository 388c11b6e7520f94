"""What a search found: its leaderboard, the scores of its best, and its verdict in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.history.records import CandidateRow, EventRow, Key, format_key, key_of
from flows.judging.guards import BARRED
from flows.judging.intervals import Interval
from flows.judging.splits import TEST, TRAIN, VALIDATION
from flows.names import called, name_of
from flows.untrusted import counted

HEADERS = ("rank", "name", "attempt", TEST, VALIDATION, TRAIN, "standing")
ENOUGH = 8
"""With fewer scenarios a bootstrap covers less than its level: see docs/search.md."""
TOP = 10
"""Ranks that are shown; baselines are shown whatever theirs."""
EXPENDABLE = ("attempt",)
"""Columns that a narrow terminal omits."""


def leaderboard(
    candidates: Sequence[CandidateRow], top: int = TOP, tested: Mapping[str, float] | None = None
) -> list[tuple[str, ...]]:
    """Return the ``top`` ranked attempts and all baselines; repeats of a candidate are left out.

    The best is the last that was promoted. ``tested`` has scores on test, by candidate.
    """
    return [_cells(rank, row, tested or {}) for rank, row in ranked(candidates, top)]


def board(
    candidates: Sequence[CandidateRow], top: int = TOP, tested: Mapping[str, float] | None = None
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return headers and rows of the leaderboard, without the columns in which nothing stands."""
    rows = leaderboard(candidates, top, tested)
    used = [place for place in range(len(HEADERS)) if any(row[place] for row in rows)]
    return (
        tuple(HEADERS[place] for place in used),
        [tuple(row[place] for place in used) for row in rows],
    )


def ranked(candidates: Sequence[CandidateRow], top: int = TOP) -> list[tuple[int, CandidateRow]]:
    """Return the attempts of the leaderboard, each with its rank."""
    best = max((key_of(row) for row in candidates if row.improved), default=None)
    scored = [row for row in candidates if row.score is not None and row.duplicate_of is None]
    return [
        (rank, row)
        for rank, row in enumerate(in_order(scored, best), start=1)
        if rank <= top or row.origin == "baseline"
    ]


def scores_on_test(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return the scores on test, by candidate, that the figures of a final test hold."""
    pairs = (("candidate", "score"), ("baseline_candidate", "baseline_score"))
    return {
        str(figures[who]): float(figures[score])
        for who, score in pairs
        if figures.get(who) and figures.get(score) is not None
    }


def scores_of(row: CandidateRow, tested: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the scores of a policy by split; the first is the one to go by.

    That is the score on test where there is one, else that on validation, else that on train.
    """
    on_test = tested.get(row.candidate or "")
    found = ((TEST, on_test), (VALIDATION, row.validation_score), (TRAIN, row.score))
    return [(split, score) for split, score in found if score is not None]


def scores_text(row: CandidateRow, tested: Mapping[str, float]) -> str:
    """Return the same in words: ``6.426 on test (5.689 on validation, 7.575 on train)``."""
    first, *others = [f"{score:.3f} on {split}" for split, score in scores_of(row, tested)] or [""]
    return f"{first} ({', '.join(others)})" if others else first


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


def best_words(
    best: CandidateRow, tested: Mapping[str, float], differences: Mapping[Key, str]
) -> str:
    """Return the best with its scores, the one to go by first, and how it differs."""
    words = f"{called(best)}, score {scores_text(best, tested)}."
    said = differences.get(key_of(best), "") if best.iteration > 0 else ""
    return f"{words} {said}".rstrip()


def _cells(rank: int, row: CandidateRow, tested: Mapping[str, float]) -> tuple[str, ...]:
    scores = dict(scores_of(row, tested))
    return (
        str(rank),
        name_of(row),
        format_key(key_of(row)),
        *(f"{scores[split]:.3f}" if split in scores else "" for split in HEADERS[3:6]),
        standing_of(row),
    )


def standing_of(row: CandidateRow) -> str:
    """Return what became of a policy, in a word: that it is a baseline, how it failed, or ruled."""
    if row.origin == "baseline":
        return "baseline"
    return row.standing if row.outcome == "ok" else row.outcome


def verdict_of(
    baselines: Sequence[CandidateRow], best: CandidateRow | None, tests: Sequence[EventRow]
) -> str:
    """Return the verdict on an experiment, finished or not, in short sentences."""
    if tests:
        return tests[-1].message
    if best is None:
        return "No result yet: no baseline completed every scenario."
    if best.iteration == 0:
        return stays(best.title)
    bar = max(baselines, key=_worth)
    return (
        f"{called(best)} is the best: {best.standing_detail}. "
        f"The best baseline is {bar.title}. The test scenarios were not used."
    )


def stays(title: str) -> str:
    """Return the verdict when no candidate was promoted."""
    return f"No candidate was significantly better: the baseline {title} remains the best."


def verdict_on_test(
    best: CandidateRow, score: float, bar: str, bar_score: float, interval: Interval, test: str
) -> str:
    """Return the verdict from ``test``, ``bar`` being the best baseline there."""
    if interval.scenarios > 1 and interval.low > 0.0:
        start = "Significantly better than the best baseline"
    elif interval.scenarios > 1 and interval.high < 0.0:
        start = "Significantly worse than the best baseline"
    else:
        start = "No significant difference from the best baseline"
    verdict = (
        f"{start} on {test}. {called(best)} is {_compared(interval, bar)}. "
        f"Its score is {score:.3f}, that of {bar} is {bar_score:.3f}."
    )
    if 1 < interval.scenarios < ENOUGH:
        verdict += f" With {counted(interval.scenarios, 'scenario')} the interval is approximate."
    return verdict


def _compared(interval: Interval, other: str) -> str:
    """Return ``1.0 % worse than NAME (95 % confidence interval ...)``."""
    difference, rest = interval.words().split(" (", 1)
    word = "from" if difference == "no different" else "than"
    return f"{difference} {word} {other} ({rest}"


def _worth(row: CandidateRow) -> float:
    return (row.score if row.validation_score is None else row.validation_score) or 0.0
