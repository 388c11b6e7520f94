"""The leaderboard of one search: the best, what did well on train, and every baseline."""

from collections.abc import Iterable, Sequence

from flows.history.records import CandidateRow
from flows.judging.guards import BARRED
from flows.search.ledger import Key, format_key, key_of

HEADERS = (
    "rank", "train", "validation", "standing", "outcome", "attempt", "made by", "candidate",
    "title",
)  # fmt: skip
EXPENDABLE = ("candidate", "made by", "outcome", "attempt", "standing")
"""The columns that a narrow terminal goes without, the first ones first."""


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
