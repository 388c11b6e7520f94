"""What a search may spend and what it has spent; deciding whether there is room for one more."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flows.config_sections import BudgetConfig
from flows.records import CandidateRow, EventRow, ExperimentRow, LlmCallRow, Row

START_KINDS = ("started", "resumed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What an experiment has used, all its runs together."""

    candidates: int = 0
    seconds: float = 0.0
    calls: int = 0
    tokens: int = 0
    largest_call_tokens: int = 0
    dollars: float = 0.0
    largest_call_dollars: float = 0.0
    unpriced_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a search ends: ``planned`` when every candidate was tried, else a budget ran out."""

    planned: bool
    reason: str


def room_for(budget: BudgetConfig, spend: Spend) -> int:
    """Return how many more candidates the budget allows."""
    return max(0, budget.candidates - spend.candidates)


def stop_reason(budget: BudgetConfig, spend: Spend, calls: int = 1) -> Stop | None:
    """Return why nothing more may start, or None; ``calls`` more are reserved at the largest."""
    if spend.candidates >= budget.candidates:
        return Stop(planned=True, reason=f"all {budget.candidates} candidates were tried")
    if budget.minutes is not None and spend.seconds >= budget.minutes * 60.0:
        return _exhausted(f"{spend.seconds / 60.0:.1f} of {budget.minutes:g} minutes are used")
    if budget.tokens is not None:
        reserved = spend.tokens + calls * spend.largest_call_tokens
        if spend.tokens >= budget.tokens or reserved > budget.tokens:
            return _exhausted(
                f"{spend.tokens} of {budget.tokens} tokens are used and another call may take "
                f"{spend.largest_call_tokens}"
            )
    if budget.dollars is not None:
        reserved_dollars = spend.dollars + calls * spend.largest_call_dollars
        if spend.dollars >= budget.dollars or reserved_dollars > budget.dollars:
            return _exhausted(
                f"${spend.dollars:.4f} of ${budget.dollars:g} are used and another call may cost "
                f"${spend.largest_call_dollars:.4f}"
            )
    return None


def spend_of(rows: Iterable[Row]) -> Spend:
    """Return what the recorded ``rows`` of one experiment have used."""
    kept = list(rows)
    calls = [row for row in kept if isinstance(row, LlmCallRow) and not row.replayed]
    tokens = [(call.input_tokens or 0) + (call.output_tokens or 0) for call in calls]
    dollars = [call.cost_usd for call in calls if call.cost_usd is not None]
    return Spend(
        candidates=sum(isinstance(row, CandidateRow) and row.iteration > 0 for row in kept),
        seconds=wall_seconds(kept),
        calls=len(calls),
        tokens=sum(tokens),
        largest_call_tokens=max(tokens, default=0),
        dollars=sum(dollars),
        largest_call_dollars=max(dollars, default=0.0),
        unpriced_calls=sum(call.cost_usd is None and call.outcome == "ok" for call in calls),
    )


def wall_seconds(rows: Iterable[Row]) -> float:
    """Return how long the runs behind ``rows`` lasted, each from its start to its last row."""
    moments = sorted((_moment(row), _starts(row)) for row in rows if _moment(row))
    total, begin, last = 0.0, None, None
    for moment, starts in moments:
        if starts:
            total += _span(begin, last)
            begin = moment
        last = moment
    return total + _span(begin, last)


def _exhausted(reason: str) -> Stop:
    return Stop(planned=False, reason=reason)


def _span(begin: str | None, last: str | None) -> float:
    if begin is None or last is None:
        return 0.0
    return (datetime.fromisoformat(last) - datetime.fromisoformat(begin)).total_seconds()


def _moment(row: Row) -> str:
    if isinstance(row, CandidateRow | EventRow | LlmCallRow):
        return row.created_at
    if isinstance(row, ExperimentRow):
        return row.finished_at or ""
    return ""


def _starts(row: Row) -> bool:
    return isinstance(row, EventRow) and row.kind in START_KINDS
