"""Proposes what models answer: by weight, one of those that the configuration names."""

from collections.abc import Mapping
from dataclasses import replace

from flows.attempt import Proposal, ProposalRequest
from flows.clock import Clock
from flows.proposers.answers import proposal_of, reply_in
from flows.proposers.choices import key_for, model_settings, whose_turn
from flows.proposers.client import ModelClient
from flows.proposers.prices import PriceList, price_list
from flows.proposers.refusals import FINAL
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
