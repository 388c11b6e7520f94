"""The leaderboard of one search: the best, what did well on train, and every baseline."""

from collections.abc import Sequence

from flows.history.records import CandidateRow
from flows.loop.ledger import format_key

HEADERS = (
    "rank", "train", "validation", "standing", "outcome", "attempt", "made by", "candidate",
    "title",
)  # fmt: skip
EXPENDABLE = ("candidate", "made by", "outcome", "attempt", "standing")
"""The columns that a narrow terminal goes without, the first ones first."""


def leaderboard(candidates: Sequence[CandidateRow], top: int = 10) -> list[tuple[str, ...]]:
    """Return the ``top`` ranked attempts and all baselines; repeats of a candidate are left out.

    In the order of the history's ``leaderboard``: the best, which is the last that was promoted,
    the others by their score on train, which the search goes by, and last what was barred.
    """
    best = max((_place(row) for row in candidates if row.improved), default=None)
    ranked = sorted(
        (row for row in candidates if row.score is not None and row.duplicate_of is None),
        key=lambda row: (
            _place(row) != best,
            row.standing == "barred",
            -(row.score or 0.0),
            *_place(row),
        ),
    )
    shown = [
        (rank, row)
        for rank, row in enumerate(ranked, start=1)
        if rank <= top or row.origin == "baseline"
    ]
    return [_cells(rank, row) for rank, row in shown]


def _place(row: CandidateRow) -> tuple[int, int]:
    return row.iteration, row.slot


def _cells(rank: int, row: CandidateRow) -> tuple[str, ...]:
    return (
        str(rank),
        f"{row.score:.4f}",
        f"{row.validation_score:.4f}" if row.validation_score is not None else "",
        row.standing,
        row.outcome,
        format_key(_place(row)),
        f"{row.origin}/{row.operator}" if row.origin != row.operator else row.origin,
        (row.candidate or "")[:8],
        row.title,
    )
