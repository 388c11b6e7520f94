"""What proposals of a model and trials are expected to take, and the most that one can take."""

from dataclasses import dataclass

from flows.prompting.prompts import CHARS_PER_TOKEN
from flows.proposers.choices import ModelSettings, model_settings
from flows.proposers.prices import MILLION, PriceList, price_list
from flows.search.budget import Reserve
from flows.search.splits import AUDIT_CALLS, Splits
from flows.settings.search import SearchConfig
from flows.wording import counted

FEWEST_CHARS_PER_TOKEN = 3
"""Digits and signs make more tokens than words; no prompt of ours is denser than this."""

USUAL_REPLY_TOKENS = 4_000
"""A policy of some two hundred lines, and as much again for thoughts: a guess, no measurement."""

SAMPLE_TOKENS = 1_000
"""Prices are shown by what so many tokens cost; some providers take more for long prompts."""

FEW_PROPOSALS = 3
"""A search of fewer proposals is hardly one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One proposal as it is expected, and at its worst.

    Without the price of some model there are no expected dollars; the worst is of those known.
    """

    tokens: int
    most_tokens: int
    dollars: float | None
    most_dollars: float | None


def reserve_of(config: SearchConfig, scenarios: Splits) -> Reserve:
    """Return what is held back for each call before it is made, and for each candidate."""
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
    audited = scenarios.train[: config.guards.audit_scenarios]
    audits = sum(each.params.policy_calls != AUDIT_CALLS for each in audited)
    return train + 1 + confirmed + audits


def tries_expected(config: SearchConfig, most: int) -> list[str]:
    """Return what is said about a budget of evaluations, ``most`` being what a candidate takes."""
    budget = config.budget.evaluations
    if budget is None:
        return []
    lines = [
        f"{budget} evaluations allow {counted(budget // most, 'candidate')} at least: one takes "
        f"{most} at most, when it is promoted, and so many are held back for each"
    ]
    if budget < most:
        lines.append(
            f"warning: no candidate can be tried with {budget} evaluations: give at least {most} "
            "as budget.evaluations or --evaluations"
        )
    return lines


def expected_proposal(config: SearchConfig, prices: PriceList) -> Expected:
    """Return what a proposal takes: the mean over the models by weight, and the dearest."""
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


def expectations(config: SearchConfig) -> list[str]:
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
            f"one can cost ${expected.most_dollars:.4f} at most, and so much is held back for each "
            "call"
        )
    if budget.tokens is not None:
        about = _about(budget.tokens, expected.tokens, expected.most_tokens)
        allowed.append(about)
        lines.append(
            f"{budget.tokens} tokens allow about {about} proposals of {expected.tokens} tokens; "
            f"{expected.most_tokens} are held back for each call"
        )
    if budget.dollars is None and budget.tokens is None:
        lines.append(_unbounded(budget.candidates, expected))
    if allowed and min(allowed) < min(FEW_PROPOSALS, budget.candidates):
        lines.append(
            f"warning: {min(allowed)} proposals are hardly a search: raise the budget, choose a "
            "cheaper model, or lower feedback.prompt_tokens or proposer.max_output_tokens"
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
            f"{name}: its price is not known, so its dollars cannot be counted; a file named by "
            "proposer.prices can say it"
        )
    scale = MILLION / SAMPLE_TOKENS
    return f"{name}: ${into * scale:g} for a million tokens in, ${out * scale:g} out"


def _cost(prices: PriceList, model: ModelSettings, into: int, out: int) -> float | None:
    return prices.cost_usd(model.model, model.base_url, into, 0, out)
