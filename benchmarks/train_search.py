"""Searches on the train scenarios alone, tried in this process: what lessons are learned from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.in_process_trials import KnownTrials
from flows.attempt import (
    Move,
    Proposal,
    ProposalRequest,
    Proposer,
    SeenAttempt,
    baseline_proposals,
)
from flows.judging.objectives import Reference
from flows.judging.scoring import Scale, behaviour, judge
from flows.judging.splits import references_of, suite_scenarios
from flows.prompting.prompts import families_of
from flows.search.strategies import make_strategy
from flows.settings.search import SearchConfig
from sandbox.outcome import Outcome
from sandbox.trial import Payload
from simulator.domain import Scenario


@dataclass(slots=True)
class TrainSearch:
    """What was tried so far. Nothing is confirmed: that takes most of a search's time."""

    config: SearchConfig
    attempts: list[SeenAttempt] = field(default_factory=list)
    scenarios: Sequence[Scenario] = ()
    trials: KnownTrials = field(default_factory=KnownTrials)
    _payloads: Sequence[Payload] = ()
    _references: dict[str, Reference] = field(default_factory=dict)
    _known: dict[object, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scenarios = suite_scenarios(self.config.suite, self.config.domain, "train")
        encode = self.config.domain.cell.encode_scenario
        self._payloads = [Payload(name=each.name, data=encode(each)) for each in self.scenarios]
        for slot, proposal in enumerate(
            baseline_proposals(self.config.baselines, self.config.domain)
        ):
            self.record(proposal, 0, slot)

    @property
    def best(self) -> SeenAttempt:
        """The one with the highest score."""
        return max(self.attempts, key=lambda each: each.score or 0.0)

    def resume(self, attempts: Sequence[SeenAttempt]) -> None:
        """Take what another search of the same configuration tried as tried here."""
        self.attempts = list(attempts)
        for each in attempts:
            self._note(each)

    def _note(self, attempt: SeenAttempt) -> None:
        marks = behaviour(attempt.evaluations)
        if marks is not None and attempt.outcome == Outcome.OK:
            self._known.setdefault(marks, f"{attempt.iteration}/{attempt.slot}")

    def record(self, proposal: Proposal, iteration: int, slot: int = 0) -> SeenAttempt:
        """Try a proposal on train and remember how it did."""
        assert proposal.source is not None, "the offline proposer always proposes a policy"
        trial = self.trials.try_policy(proposal.source, self._payloads)
        if not self._references:
            self._references = references_of(trial.evaluations, self.scenarios)
        scale = Scale(spec=self.config.domain.spec, objective=self.config.objective)
        verdict = judge(trial, self._references, scale)
        marks = behaviour(verdict.evaluations)
        attempt = SeenAttempt(
            iteration=iteration,
            slot=slot,
            candidate=trial.candidate,
            title=proposal.title,
            origin=proposal.origin,
            operator=proposal.operator,
            parents=proposal.parents,
            source=proposal.source,
            outcome=verdict.outcome,
            score=verdict.score,
            problem=verdict.message or None,
            evaluations=verdict.evaluations,
            duplicate_of=self._known.get(marks) if marks is not None else None,
        )
        self._note(attempt)
        self.attempts.append(attempt)
        return attempt


Asked = Callable[[TrainSearch, Move, Sequence[SeenAttempt]], None]
"""Called before each proposal with the move and the parents that the strategy chose."""


def search_on_train(
    config: SearchConfig, proposer: Proposer, candidates: int, asked: Asked | None = None
) -> TrainSearch:
    """Return a search of so many candidates, one after another."""
    search = TrainSearch(config)
    strategy = make_strategy(config, families_of(search.scenarios))
    for iteration in range(1, candidates + 1):
        plan = strategy.plan(search.attempts, iteration, 0)
        if asked is not None:
            asked(search, plan.move, plan.chosen)
        request = ProposalRequest(
            experiment_id="benchmark",
            seed=config.seed,
            iteration=iteration,
            slot=0,
            prompt=None,
            attempts=plan.visible,
            best=search.best,
            record_call=lambda _call: None,
            move=plan.move,
            chosen=plan.chosen,
        )
        search.record(proposer.propose(request), iteration)
    return search
