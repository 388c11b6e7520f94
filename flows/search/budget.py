"""What a search may spend and what it has spent; deciding whether there is room for one more."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf

from flows.history.records import (
    CandidateRow,
    EventRow,
    ExperimentRow,
    LlmCallRow,
    Row,
)
from flows.proposers.bodies import FINAL
from flows.settings.search import SearchConfig
from flows.settings.sections import BudgetConfig
from flows.wording import counted

START_KINDS = ("started", "resumed")
UNANSWERED = ("timeout", "connection_lost")
"""Outcomes of a call that a server may have worked on, though no answer of it arrived."""
UNREACHED = "connection_error"
"""Outcome of a call that no server received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """The most that one more call to a model and one more candidate can take, as far as known."""

    tokens: int = 0
    dollars: float = 0.0
    evaluations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What an experiment has used, all its runs together."""

    candidates: int = 0
    evaluations: int = 0
    """Candidate x scenario tries in cells; baselines and the final test are not counted.

    They are counted with their candidate: it may be interrupted between the two.
    """
    seconds: float = 0.0
    calls: int = 0
    unreached_calls: int = 0
    """Calls of these that reached no server."""
    replayed_calls: int = 0
    tokens: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    largest_call_tokens: int = 0
    dollars: float = 0.0
    largest_call_dollars: float = 0.0
    unpriced_calls: int = 0
    uncounted_calls: int = 0
    """Calls that may have been charged and of which no server told the tokens."""
    reserve: Reserve = Reserve()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a search ends: ``planned`` when every candidate was tried, else a budget ran out."""

    planned: bool
    reason: str


def room_for(budget: BudgetConfig, spend: Spend) -> int:
    """Return how many more candidates the budget allows."""
    return max(0, budget.candidates - spend.candidates)


def stop_reason(budget: BudgetConfig, spend: Spend, calls: int = 1, tried: int = 1) -> Stop | None:
    """Return why nothing more may start, or None.

    So many more ``calls``, and candidates that are ``tried``, are reserved at the largest.
    """
    if spend.candidates >= budget.candidates:
        return Stop(planned=True, reason=f"all {budget.candidates} candidates were tried")
    if tried > tries_left(budget, spend):
        return _exhausted(
            f"{spend.evaluations} of {budget.evaluations} evaluations are used and another "
            f"candidate may take {spend.reserve.evaluations}"
        )
    if budget.minutes is not None and spend.seconds >= budget.minutes * 60.0:
        return _exhausted(f"{spend.seconds / 60.0:.1f} of {budget.minutes:g} minutes are used")
    if calls > _calls_by_tokens(budget, spend):
        return _exhausted(
            f"{spend.tokens} of {budget.tokens} tokens are used and another call may take "
            f"{_most_tokens(spend)}{_also_held(spend)}"
        )
    if calls > _calls_by_dollars(budget, spend):
        return _exhausted(
            f"${spend.dollars:.4f} of ${budget.dollars:g} are used and another call may cost "
            f"${_most_dollars(spend):.4f}{_also_held(spend)}"
        )
    return None


def places(budget: BudgetConfig, spend: Spend, wanted: int) -> int:
    """Return how many of the ``wanted`` places of an iteration there is room for."""
    return next((n for n in range(wanted, 0, -1) if stop_reason(budget, spend, n, n) is None), 0)


def tries_left(budget: BudgetConfig, spend: Spend) -> float:
    """Return for how many candidates there is room if each takes the most that one can."""
    return _room(budget.evaluations, spend.evaluations, spend.reserve.evaluations)


def calls_left(budget: BudgetConfig, spend: Spend) -> float:
    """Return for how many calls there is room if each takes the most that one can."""
    return max(0.0, min(_calls_by_tokens(budget, spend), _calls_by_dollars(budget, spend)))


def may_be_charged(call: LlmCallRow) -> bool:
    """Return whether a server may have charged for a call without saying how much."""
    return not _is_counted(call) and call.outcome in (*FINAL, *UNANSWERED)


def is_unpriced(call: LlmCallRow) -> bool:
    """Return whether the tokens of a call are known and their price is not."""
    return _is_counted(call) and call.cost_usd is None


def spent_with(spend: Spend, row: Row) -> Spend:
    """Return what is used once ``row`` is recorded too; seconds and tries are the caller's."""
    match row:
        case CandidateRow() if row.iteration > 0:
            return replace(spend, candidates=spend.candidates + 1)
        case LlmCallRow() if row.replayed:
            return replace(spend, replayed_calls=spend.replayed_calls + 1)
        case LlmCallRow():
            return _spent_with_call(spend, row)
        case _:
            return spend


def summary_lines(spend: Spend, improvements: int) -> list[str]:
    """Return what a search cost: proposals, calls, tokens, dollars, dollars per improvement."""
    if spend.calls + spend.replayed_calls == 0:
        return [f"{counted(spend.candidates, 'proposal')}; no model was asked, nothing was paid"]
    away = [f"{counted(spend.unreached_calls, 'call')} reached no server"]
    reached = spend.calls - spend.unreached_calls
    if reached + spend.replayed_calls == 0:
        return [f"{counted(spend.candidates, 'proposal')}; nothing was paid", *away]
    replayed = f" and {spend.replayed_calls} replayed" if spend.replayed_calls else ""
    cached = f" ({spend.cached_tokens} cached)" if spend.cached_tokens else ""
    lines = [
        f"{counted(spend.candidates, 'proposal')} from {counted(reached, 'call')}{replayed}: "
        f"{spend.input_tokens} tokens in{cached}, {spend.output_tokens} out, ${spend.dollars:.4f}"
    ]
    if improvements and spend.dollars:
        each = spend.dollars / improvements
        lines.append(f"{counted(improvements, 'improvement')} at ${each:.4f} each")
    elif spend.dollars:
        lines.append(f"no improvement for ${spend.dollars:.4f}")
    lines += away if spend.unreached_calls else []
    if spend.unpriced_calls:
        unpriced = counted(spend.unpriced_calls, "call")
        lines.append(f"not in these dollars: {unpriced} of unknown price")
    if spend.uncounted_calls:
        lines.append(
            f"{counted(spend.uncounted_calls, 'call')} may have been charged; how much was not told"
        )
    return lines


def preflight_lines(config: SearchConfig) -> list[str]:
    """Return what the budget allows before anything is spent, with a warning when it is little."""
    from flows.search.reserves import expectations  # it needs this module

    return expectations(config)


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


def _spent_with_call(spend: Spend, call: LlmCallRow) -> Spend:
    tokens = (call.input_tokens or 0) + (call.output_tokens or 0)
    dollars = call.cost_usd or 0.0
    return replace(
        spend,
        calls=spend.calls + 1,
        unreached_calls=spend.unreached_calls + (call.outcome == UNREACHED),
        tokens=spend.tokens + tokens,
        input_tokens=spend.input_tokens + (call.input_tokens or 0),
        cached_tokens=spend.cached_tokens + (call.cached_tokens or 0),
        output_tokens=spend.output_tokens + (call.output_tokens or 0),
        largest_call_tokens=max(spend.largest_call_tokens, tokens),
        dollars=spend.dollars + dollars,
        largest_call_dollars=max(spend.largest_call_dollars, dollars),
        unpriced_calls=spend.unpriced_calls + is_unpriced(call),
        uncounted_calls=spend.uncounted_calls + may_be_charged(call),
    )


def _exhausted(reason: str) -> Stop:
    return Stop(planned=False, reason=reason)


def _also_held(spend: Spend) -> str:
    held = spend.uncounted_calls
    return f", as may {held} whose tokens were not told" if held else ""


def _is_counted(call: LlmCallRow) -> bool:
    return call.input_tokens is not None and call.output_tokens is not None


def _calls_by_tokens(budget: BudgetConfig, spend: Spend) -> float:
    # A call whose tokens nobody told may have taken as much as the largest one that is possible.
    room = _room(budget.tokens, spend.tokens, _most_tokens(spend))
    return room - spend.uncounted_calls


def _calls_by_dollars(budget: BudgetConfig, spend: Spend) -> float:
    room = _room(budget.dollars, spend.dollars, _most_dollars(spend))
    return room - spend.uncounted_calls


def _most_tokens(spend: Spend) -> int:
    return max(spend.largest_call_tokens, spend.reserve.tokens)


def _most_dollars(spend: Spend) -> float:
    return max(spend.largest_call_dollars, spend.reserve.dollars)


def _room(budget: float | None, used: float, most: float) -> float:
    """Return how often the most fits into what is left; without a budget always."""
    if budget is None:
        return inf
    if used >= budget:
        return 0.0
    return (budget - used) // most if most else inf


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
