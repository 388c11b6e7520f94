"""The leaderboard of one search: the best candidates, and the baselines wherever they rank."""

from collections.abc import Sequence

from flows.ledger import format_key
from flows.records import CandidateRow

HEADERS = ("rank", "score", "outcome", "attempt", "made by", "candidate", "title")
EXPENDABLE = ("candidate", "made by", "attempt", "outcome")
"""The columns that a narrow terminal goes without, the first ones first."""


def leaderboard(candidates: Sequence[CandidateRow], top: int = 10) -> list[tuple[str, ...]]:
    """Return the ``top`` ranked attempts and all baselines; repeats of a candidate are left out."""
    ranked = sorted(
        (row for row in candidates if row.score is not None and row.duplicate_of is None),
        key=lambda row: (row.outcome != "ok", -(row.score or 0.0), row.iteration, row.slot),
    )
    shown = [
        (rank, row)
        for rank, row in enumerate(ranked, start=1)
        if rank <= top or row.origin == "baseline"
    ]
    return [_cells(rank, row) for rank, row in shown]


def verdict(candidates: Sequence[CandidateRow]) -> str:
    """Return in one sentence what the search found, measured against the best baseline."""
    usable = [row for row in candidates if row.outcome == "ok" and row.score is not None]
    found = max((r for r in usable if r.iteration > 0), key=_score, default=None)
    bar = max((r for r in usable if r.iteration == 0), key=_score, default=None)
    if not any(row.iteration > 0 for row in candidates):
        return "no candidate was tried"
    if found is None or bar is None:
        return "no candidate ended well in every scenario"
    against = "naive"
    if bar.title != "naive":
        times = _score(found) / _score(bar)
        against = f"naive, {times:.2f} times that of the best baseline, {bar.title}"
    return f"best candidate: {_score(found):.2f} times the score of {against}"


def _score(row: CandidateRow) -> float:
    return row.score or 0.0


def _cells(rank: int, row: CandidateRow) -> tuple[str, ...]:
    return (
        str(rank),
        f"{row.score:.4f}",
        row.outcome,
        format_key((row.iteration, row.slot)),
        f"{row.origin}/{row.operator}" if row.origin != row.operator else row.origin,
        (row.candidate or "")[:8],
        row.title,
    )
