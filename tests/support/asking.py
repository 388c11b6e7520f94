"""Asks the model proposer for a policy, with a local server and a clock that stands still."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from flows.attempt import (
    Prompt,
    Proposal,
    ProposalRequest,
    ProposerRefused,
    ProposerUnavailable,
    SeenAttempt,
)
from flows.history.records import LlmCallRow
from flows.proposers.model import OpenAiProposer
from flows.settings.sections import ProposerConfig
from tests.support.model_server import Behaviour, ModelServer

KEY = "sk-test-0123456789abcdefghij"
SOURCE = '''"""Queries first."""


@register_scheduler_init(key="q")
def init(s):
    s.queue = []


@register_scheduler(key="q")
def step(s, results, pipelines):
    return [], []
'''


@dataclass
class StillClock:
    """A clock that moves only when it is waited on."""

    passed: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def seconds(self) -> float:
        return self.passed

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.passed += seconds


@dataclass
class Asked:
    """What came of one proposal."""

    proposal: Proposal | None
    error: Exception | None
    calls: list[LlmCallRow]
    server: ModelServer
    clock: StillClock
    notices: list[str] = field(default_factory=list)

    @property
    def lost(self) -> str:
        """Why the attempt was lost; ``""`` when it was not."""
        return str(self.error) if isinstance(self.error, ProposerUnavailable) else ""

    @property
    def refused(self) -> str:
        """Why the search ends; ``""`` when it goes on."""
        return str(self.error) if isinstance(self.error, ProposerRefused) else ""

    @property
    def outcomes(self) -> list[str]:
        return [call.outcome for call in self.calls]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [request.body for request in self.server.requests]


def ask(
    *script: Behaviour,
    recorded: Sequence[LlmCallRow] = (),
    times: int = 1,
    prompt_chars: int = 0,
    seconds_left: float | None = None,
    **settings: Any,
) -> Asked:
    """Ask a server with this script for a proposal, ``times`` times with one proposer."""
    clock, calls, notices = StillClock(), list[LlmCallRow](), list[str]()
    with ModelServer(*script) as running:
        config = ProposerConfig(
            kind="openai", base_url=running.url, model="any", **{"timeout_seconds": 5, **settings}
        )
        proposer = OpenAiProposer(config, {config.api_key_env: KEY}, clock)
        proposal, error = None, None
        for number in range(times):
            asked_for = replace(
                request(calls, recorded, number, prompt_chars),
                seconds_left=seconds_left,
                notice=notices.append,
            )
            try:
                proposal = proposer.propose(asked_for)
            except (ProposerRefused, ProposerUnavailable) as raised:
                error = raised
    return Asked(proposal, error, calls, running, clock, notices)


def request(
    calls: list[LlmCallRow],
    recorded: Sequence[LlmCallRow] = (),
    iteration: int = 1,
    prompt_chars: int = 0,
) -> ProposalRequest:
    """Return a request; its prompt has so many characters more."""
    best = SeenAttempt(
        iteration=0,
        slot=0,
        candidate="ab" * 32,
        origin="baseline",
        operator="baseline",
        outcome="ok",
        score=1.0,
    )
    return ProposalRequest(
        experiment_id="e",
        seed=3,
        iteration=iteration,
        slot=0,
        prompt=prompt_of(prompt_chars),
        attempts=(best,),
        best=best,
        record_call=calls.append,
        recorded_calls=tuple(recorded),
        shorter=lambda tokens: prompt_of(min(prompt_chars, max(0, 4 * tokens - 15))),
    )


def prompt_of(chars: int) -> Prompt:
    """Return a prompt that has so many characters more than the shortest."""
    return Prompt(
        system="the job",
        user="the past" + "." * chars,
        sha256=f"p{chars}" if chars else "p",
        template="t",
        template_sha256="h",
    )
