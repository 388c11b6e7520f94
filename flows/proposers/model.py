"""Proposes what models answer: by weight, one of those that the configuration names."""

from collections.abc import Mapping
from dataclasses import replace

from flows.attempt import Move, Proposal, ProposalRequest
from flows.clock import Clock
from flows.history.records import LlmCallRow
from flows.proposers.bodies import ModelReply
from flows.proposers.choices import key_for, model_settings, whose_turn
from flows.proposers.client import ModelClient
from flows.proposers.prices import PriceList, price_list
from flows.proposers.refusals import FINAL
from flows.proposers.replies import complete_policy, extract_source, title_of
from flows.settings.sections import ProposerConfig


class OpenAiProposer:
    """Proposes what a model answers. Safe to call from several threads."""

    name = "openai"
    uses_prompt = True

    def __init__(
        self,
        config: ProposerConfig,
        keys: Mapping[str, str],
        clock: Clock | None = None,
        prices: PriceList | None = None,
    ) -> None:
        settings = model_settings(config)
        listed = prices or price_list(config.prices)
        self._settings = settings
        self._clients = tuple(
            ModelClient(each, key_for(each, keys), listed, clock) for each in settings
        )
        self.model: str | None = ", ".join(each.model for each in settings)

    def __repr__(self) -> str:
        return f"OpenAiProposer({', '.join(map(repr, self._clients))})"

    def propose(self, request: ProposalRequest) -> Proposal:
        """Return the policy in a model's reply, or the reason why the reply holds none."""
        recorded = next((call for call in request.recorded_calls if call.outcome in FINAL), None)
        if recorded is not None:
            return proposal_of(request, reply_in(recorded), recorded.model)
        turn = whose_turn(self._settings, request.seed, request.iteration, request.slot)
        reply, prompt = self._clients[turn].ask(request)
        proposal = proposal_of(request, reply, self._settings[turn].model)
        return proposal if prompt is request.prompt else replace(proposal, prompt=prompt)


def proposal_of(request: ProposalRequest, reply: ModelReply, model: str) -> Proposal:
    """Return what a model's reply proposes."""
    source, problem = None, reply.problem
    if reply.outcome == "ok":
        found = extract_source(reply.text or "")
        source, problem = found.source, found.problem
    elif reply.outcome == "truncated":
        source = complete_policy(reply.text or "")
        problem = None if source is not None else problem
    parents = _parents(request)
    return Proposal(
        source=source,
        title=(title_of(source) if source else "") or f"reply of {model}",
        origin="model",
        operator=_operator(request.move, parents),
        parents=parents,
        problem=problem,
    )


def reply_in(call: LlmCallRow) -> ModelReply:
    """Return the reply that a recorded request got."""
    return ModelReply(outcome=call.outcome, text=call.reply, problem=call.error)


def _parents(request: ProposalRequest) -> tuple[str, ...]:
    """Return the attempts that the prompt asks to start from: none for a fresh policy."""
    starts = list(request.chosen)
    if request.move == "free":
        starts = [request.best] if request.best is not None else []
    return tuple(each.candidate for each in starts if each.candidate is not None)


def _operator(move: Move, parents: tuple[str, ...]) -> str:
    if not parents:
        return "sample"
    return {"vary": "mutate", "combine": "crossover"}.get(move, "refine")
