"""What a search may spend, what it has spent, and what one more proposal or candidate may take."""

from collections.abc import Iterable, Set
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
from flows.judging.splits import Splits, audited
from flows.prompting.prompts import CHARS_PER_TOKEN
from flows.proposers.choices import ModelSettings, model_settings
from flows.proposers.prices import MILLION, PriceList, is_unpriced, may_be_charged, price_list
from flows.settings.search import SearchConfig
from flows.settings.sections import BudgetConfig
from flows.untrusted import counted

Span = tuple[str, str]
"""The moments when a run started and when it recorded its last row, as the history has them."""

START_KINDS = ("started", "resumed")
UNREACHED = "connection_error"
"""Outcome of a call that no server received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Upper bounds, as far as known, on one more call to a model and one more candidate."""

    tokens: int = 0
    dollars: float = 0.0
    evaluations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What all runs of an experiment have used together."""

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
    """Calls that may have been charged, whose tokens are unknown."""
    reserve: Reserve = Reserve()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a search ends: ``planned`` when every candidate was tried, else a budget ran out."""

    planned: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An open slot of an iteration."""

    slot: int
    charges: int | None
    """How many requests that may be charged there is room for, None for no bound."""


def slots_of(budget: BudgetConfig, slots: int, spend: Spend) -> range:
    """Return the slots of an iteration: all, or fewer where fewer candidates are left to try."""
    return range(min(slots, budget.candidates - spend.candidates))


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


def places(
    budget: BudgetConfig,
    *,
    before: Spend,
    now: Spend,
    slots: range,
    recorded: Set[int],
    replied: Set[int],
    charged: Set[int],
) -> list[Place]:
    """Return the open places of an iteration and how much of the budget each may use.

    What was used ``before`` the iteration began decides, and that alone: an interrupted run finds
    the same places, and which of several calls ends first makes no difference. ``slots`` are those
    that the strategy wants. Slots that are ``replied``, of which a reply is recorded and no
    attempt, are paid for and are tried even when nothing new can be paid; those ``charged`` have
    used what was held for their call.
    """
    allowed = slots[: _room_for_all(budget, before, len(slots))]
    paid = [slot for slot in slots if slot in replied]
    new = [slot for slot in allowed if slot not in recorded | replied]
    while paid and len(paid) > tries_left(budget, now):
        paid.pop()
    # A budget may have become smaller since the iteration began.
    while new and stop_reason(
        budget,
        now,
        calls=sum(slot not in charged for slot in new),
        tried=len(paid) + len(new),
    ):
        new.pop()
    left = calls_left(budget, before)
    each, more = divmod(int(left), len(allowed)) if allowed and left < inf else (0, 0)
    return [
        Place(slot=slot, charges=None if left == inf else each + (slot < more))
        for slot in sorted([*paid, *new])
    ]


def _room_for_all(budget: BudgetConfig, spend: Spend, wanted: int) -> int:
    """Return how many of the ``wanted`` places of an iteration there is room for."""
    return next((n for n in range(wanted, 0, -1) if stop_reason(budget, spend, n, n) is None), 0)


def tries_left(budget: BudgetConfig, spend: Spend) -> float:
    """Return for how many candidates there is room if each takes the most that one can."""
    return _room(budget.evaluations, spend.evaluations, spend.reserve.evaluations)


def calls_left(budget: BudgetConfig, spend: Spend) -> float:
    """Return for how many calls there is room if each takes the most that one can."""
    return max(0.0, min(_calls_by_tokens(budget, spend), _calls_by_dollars(budget, spend)))


def spent_with(spend: Spend, row: Row) -> Spend:
    """Return the spend including ``row``; the caller counts seconds and tries."""
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
    """Return lines on the cost of a search: proposals, calls, tokens, dollars, per improvement."""
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
            f"{counted(spend.uncounted_calls, 'call')} may have been charged; the amount is unknown"
        )
    return lines


def wall_seconds(rows: Iterable[Row]) -> float:
    """Return how long the runs behind ``rows`` lasted, each from its start to its last row."""
    return sum((_seconds(*span) for span in running_spans(rows)), 0.0)


def running_spans(rows: Iterable[Row]) -> list[Span]:
    """Return when the runs behind ``rows`` started and when each recorded its last row."""
    moments = sorted((_moment(row), _starts(row)) for row in rows if _moment(row))
    spans: list[Span] = []
    for moment, starts in moments:
        if starts:
            spans.append((moment, moment))
        elif spans:
            spans[-1] = (spans[-1][0], moment)
    return spans


def covered_seconds(spans: Iterable[Span]) -> float:
    """Return how long any of several runs lasted; what several did side by side counts once."""
    total, until = 0.0, ""
    for begin, last in sorted(spans):
        if last > until:
            total += _seconds(max(begin, until), last)
            until = last
    return total


def committed(spend: Spend) -> tuple[float, float]:
    """Return the tokens and dollars used, each call of unknown cost counted at the largest."""
    held = spend.uncounted_calls
    return spend.tokens + held * _most_tokens(spend), spend.dollars + held * _most_dollars(spend)


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
    return f"; the same is reserved for {counted(held, 'call')} of unknown tokens" if held else ""


def _calls_by_tokens(budget: BudgetConfig, spend: Spend) -> float:
    # A call whose tokens are unknown counts as the largest possible call.
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
    """Return how many of the largest fit into the rest of a budget; infinity without a budget."""
    if budget is None:
        return inf
    if used >= budget:
        return 0.0
    return (budget - used) // most if most else inf


def _seconds(begin: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(begin)).total_seconds()


def _moment(row: Row) -> str:
    if isinstance(row, CandidateRow | EventRow | LlmCallRow):
        return row.created_at
    if isinstance(row, ExperimentRow):
        return row.finished_at or ""
    return ""


def _starts(row: Row) -> bool:
    return isinstance(row, EventRow) and row.kind in START_KINDS


FEWEST_CHARS_PER_TOKEN = 3
"""Digits and signs make more tokens than words; our prompts are not denser than this."""

USUAL_REPLY_TOKENS = 4_000
"""A policy of some two hundred lines, and as much again for thoughts: a guess, no measurement."""

SAMPLE_TOKENS = 1_000
"""Prices are computed from this many tokens; some providers charge more for long prompts."""

FEW_PROPOSALS = 3
"""With fewer proposals a warning is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The expected and the largest cost of one proposal.

    Without the price of some model there are no expected dollars; the worst is of those known.
    """

    tokens: int
    most_tokens: int
    dollars: float | None
    most_dollars: float | None


def reserve_of(config: SearchConfig, scenarios: Splits) -> Reserve:
    """Return what is reserved for each call and for each candidate before it starts."""
    tries = most_tries(config, scenarios)
    if config.proposer.kind != "openai":
        return Reserve(evaluations=tries)
    expected = expected_proposal(config, price_list(config.proposer.prices))
    return Reserve(
        tokens=expected.most_tokens, dollars=expected.most_dollars or 0.0, evaluations=tries
    )


def most_tries(config: SearchConfig, scenarios: Splits) -> int:
    """Return the tries in cells of a candidate that is promoted, see ``flows.search.trying``.

    These are train and its first scenario again; validation and that scenario; all of train; and
    the audit. Without validation scenarios, train is what a confirmation takes.
    """
    train, validation = len(scenarios.train), len(scenarios.validation)
    confirmed = validation + 1 + train if validation else train
    first = scenarios.train[: config.guards.audit_scenarios]
    return train + 1 + confirmed + len(audited(first, config.domain))


def tries_expected(config: SearchConfig, most: int) -> list[str]:
    """Return lines about a budget of evaluations, if a candidate takes at most ``most``."""
    budget = config.budget.evaluations
    if budget is None:
        return []
    lines = [
        f"{budget} evaluations allow at least {counted(budget // most, 'candidate')}: up to {most} "
        "are reserved for each before it starts"
    ]
    if budget < most:
        lines.append(
            f"warning: no candidate can be tried with {budget} evaluations: give at least {most} "
            "as budget.evaluations or --evaluations"
        )
    return lines


def expected_proposal(config: SearchConfig, prices: PriceList) -> Expected:
    """Return the cost of a proposal: the weighted mean over the models, and the most expensive."""
    models = model_settings(config.proposer)
    prompt = config.feedback.prompt_tokens
    longest = -(-prompt * CHARS_PER_TOKEN // FEWEST_CHARS_PER_TOKEN)
    reply = config.proposer.max_output_tokens
    usual = min(reply, USUAL_REPLY_TOKENS)
    costs = [_cost(prices, each, prompt, usual) for each in models]
    most = [_cost(prices, each, longest, reply) for each in models]
    known = [cost for cost in costs if cost is not None]
    weights = sum(each.weight for each in models)
    mean = sum((cost or 0.0) * each.weight for cost, each in zip(costs, models, strict=True))
    complete = len(known) == len(models)
    return Expected(
        tokens=prompt + usual,
        most_tokens=longest + reply,
        dollars=mean / weights if complete else None,
        most_dollars=max((cost for cost in most if cost is not None), default=None),
    )


def preflight_lines(config: SearchConfig) -> list[str]:
    """Return the lines that are shown before a search begins."""
    if config.proposer.kind == "offline":
        return []
    if config.proposer.kind == "replay":
        return [f"replays {config.proposer.replay_of}: recorded replies cost nothing"]
    prices = price_list(config.proposer.prices)
    lines = [_price_line(prices, each) for each in model_settings(config.proposer)]
    expected = expected_proposal(config, prices)
    budget, allowed = config.budget, list[int]()
    if budget.dollars is not None and expected.dollars and expected.most_dollars:
        about = _about(budget.dollars, expected.dollars, expected.most_dollars)
        allowed.append(about)
        lines.append(
            f"${budget.dollars:g} allow about {about} proposals at ${expected.dollars:.4f} each; "
            f"a call costs ${expected.most_dollars:.4f} at most, which is reserved before it starts"
        )
    if budget.tokens is not None:
        about = _about(budget.tokens, expected.tokens, expected.most_tokens)
        allowed.append(about)
        lines.append(
            f"{budget.tokens} tokens allow about {about} proposals of {expected.tokens} tokens; "
            f"{expected.most_tokens} are reserved for each call"
        )
    if budget.dollars is None and budget.tokens is None:
        lines.append(_unbounded(budget.candidates, expected))
    if allowed and min(allowed) < min(FEW_PROPOSALS, budget.candidates):
        lines.append(
            f"warning: {min(allowed)} proposals are too few for a search: raise the budget, choose "
            "a cheaper model, or lower feedback.prompt_tokens or proposer.max_output_tokens"
        )
    return lines


def _about(budget: float, each: float, most: float) -> int:
    """Return how many proposals fit when the last one must fit at its worst."""
    return int((budget - most) // each) + 1 if budget >= most else 0


def _unbounded(candidates: int, expected: Expected) -> str:
    start = f"no budget in dollars or tokens: {candidates} proposals"
    if expected.dollars is None or expected.most_dollars is None:
        return (
            f"{start} take about {candidates * expected.tokens} tokens, at most "
            f"{candidates * expected.most_tokens}"
        )
    return (
        f"{start} cost about ${candidates * expected.dollars:.2f}, at most "
        f"${candidates * expected.most_dollars:.2f}"
    )


def _price_line(prices: PriceList, model: ModelSettings) -> str:
    name = f"model {model.model} at {model.address}"
    into, out = _cost(prices, model, SAMPLE_TOKENS, 0), _cost(prices, model, 0, SAMPLE_TOKENS)
    if into is None or out is None:
        return (
            f"{name}: the price is unknown, so its cost cannot be counted; add it to the file that "
            "proposer.prices names"
        )
    scale = MILLION / SAMPLE_TOKENS
    return f"{name}: ${into * scale:g} for a million tokens in, ${out * scale:g} out"


def _cost(prices: PriceList, model: ModelSettings, into: int, out: int) -> float | None:
    return prices.cost_usd(model.model, model.base_url, into, 0, out)
