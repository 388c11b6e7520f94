"""The nouns of a search: request, proposal, prompt, and the attempt that holds them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from flows.history.records import Key, LlmCallRow
from flows.judging.guards import Ruling
from flows.judging.scoring import Verdict
from sandbox.outcome import Evaluation, Finding, Trial
from simulator.contract import Contract
from simulator.domain import Domain

NO_RULING = Ruling()
Move = Literal["free", "fresh", "vary", "combine"]


class ProposerUnavailable(RuntimeError):
    """The proposer could not be reached: this attempt is lost, the search goes on."""


class ProposerRefused(RuntimeError):
    """The proposer will never answer as configured (wrong key, unknown model): the search ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A rendered prompt; ``sha256`` names the two texts, ``template_sha256`` the templates."""

    system: str
    user: str
    sha256: str
    template: str
    template_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAttempt:
    """An earlier attempt as proposers and prompts see it, baselines included.

    Its figures are those of the train scenarios: of other splits it has no field.

    ``problem``, ``prints`` and the problems of ``evaluations`` are text that a policy may have
    written: untrusted.
    """

    iteration: int
    slot: int
    candidate: str | None = None
    """sha256 of the source; None when there was no source."""
    title: str = ""
    origin: str
    """baseline | offline | model."""
    operator: str
    """baseline | seed | mutate | crossover | tune | sample | refine."""
    parents: tuple[str, ...] = ()
    source: str | None = None
    outcome: str
    score: float | None = None
    """1.0 is the baseline; higher is better; None when nothing was scored."""
    problem: str | None = None
    problem_line: int | None = None
    problem_source_line: str = ""
    findings: tuple[Finding, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    prints: str = ""
    duplicate_of: str | None = None
    """``iteration/slot`` of the earlier attempt that this one repeats."""
    standing: str = ""
    """"" | promoted | refused | barred | stopped; a barred one (gap alarm, ...) has no
    descendants."""
    stopped: str = ""
    """After how many scenarios its trial was stopped, and why; empty if it was not."""


def _no_shorter(_tokens: int) -> Prompt | None:
    return None


def _ignored(_line: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRequest:
    """Everything that one proposal may depend on: equal requests give equal offline proposals."""

    experiment_id: str
    seed: int
    iteration: int
    slot: int
    prompt: Prompt | None
    """None for a proposer that does not use prompts."""
    attempts: tuple[SeenAttempt, ...]
    """Earlier attempts in order of (iteration, slot), baselines first."""
    best: SeenAttempt | None
    """The best that was promoted."""
    record_call: Callable[[LlmCallRow], None]
    """Called for each request to a model as soon as it has ended, failed ones included."""
    recorded_calls: tuple[LlmCallRow, ...] = ()
    """Calls that an interrupted run already made for this slot; an answered one is reused."""
    charges: int | None = None
    """How many requests that may be charged the budget allows for this slot, recorded ones
    included; None is no bound."""
    contract: Contract | None = None
    """What the domain agrees with a source; None where nobody knows."""
    move: Move = "free"
    """The move that the strategy asks for; ``free`` leaves it to the proposer."""
    chosen: tuple[SeenAttempt, ...] = ()
    """The parents that the strategy chose: none, one to ``vary``, two to ``combine``."""
    shorter: Callable[[int], Prompt | None] = _no_shorter
    """Returns and records a prompt of at most that many tokens, or None if that is impossible."""
    seconds_left: float | None = None
    """How long the search may still take; None is no bound."""
    notice: Callable[[str], None] = _ignored
    """Shows one line to the watcher of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A policy's source, or ``problem``, the reason why ``source`` is None."""

    source: str | None
    title: str
    origin: str
    operator: str
    parents: tuple[str, ...] = ()
    problem: str | None = None
    prompt: Prompt | None = None
    """The prompt that was answered, where it is not the one of the request."""


class Proposer(Protocol):
    """Something that proposes the next policy."""

    @property
    def name(self) -> str:
        """The word that selects this proposer in a configuration."""
        ...

    @property
    def uses_prompt(self) -> bool:
        """Whether ``request.prompt`` is needed; rendering one is skipped otherwise."""
        ...

    @property
    def model(self) -> str | None:
        """The model that is asked, or None."""
        ...

    def propose(self, request: ProposalRequest) -> Proposal:
        """Return the next proposal; raise ProposerUnavailable or ProposerRefused when it cannot."""
        ...


def baseline_proposals(names: Sequence[str], domain: Domain) -> list[Proposal]:
    """Return the named library policies as proposals, the reference policy first, each once."""
    return [
        Proposal(
            source=domain.policy_source(name),
            title=name,
            origin="baseline",
            operator="baseline",
        )
        for name in dict.fromkeys((domain.spec.reference, *names))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One candidate of a search, from its proposal to its row in the history.

    A hop that learns something about it returns it with that field set; later hops only read it. A
    later trial may change one thing: what was found not to repeat is ``nondeterministic``.
    """

    key: Key
    proposal: Proposal | None = None
    prompt: Prompt | None = None
    trial: Trial | None = None
    """On the train scenarios, the first of them twice; None where no trial was needed."""
    stopped: str = ""
    """Why it was tried on some train scenarios only: see ``flows.search.racing``."""
    train: Verdict | None = None
    """On the train scenarios."""
    again: Trial | None = None
    """The confirmation: the validation scenarios, and the first train scenario again."""
    validation: Verdict | None = None
    """On the validation scenarios."""
    same_as: Key | None = None
    """The earlier attempt with the same source, or with the same decisions on train."""
    ruling: Ruling = NO_RULING
    elite: Trial | None = None
    """On train again, in one more cell, before it is promoted."""
    audit: Trial | None = None
    """On some train scenarios, in the calling mode of the audit."""
    lost: str | None = None
    """Why there is no result: a failure that is not the policy's."""
    seconds: float = 0.0

    @property
    def source(self) -> str | None:
        return self.proposal.source if self.proposal is not None else None

    @property
    def title(self) -> str:
        return self.proposal.title if self.proposal is not None else ""

    @property
    def is_baseline(self) -> bool:
        return self.key[0] == 0

    @property
    def cell_seconds(self) -> float | None:
        """Wall seconds in cells; None when none was needed."""
        trials = (self.trial, self.again, self.elite, self.audit)
        cells = [each.cell.seconds for each in trials if each is not None and each.cell is not None]
        return sum(cells) if cells else None
