"""Fakes for the loop: an evaluator, a proposer, a journal and a clock."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.attempt import Proposal, ProposalRequest
from flows.history.records import Row
from flows.judging.objectives import Reference
from flows.judging.scoring import Scale
from flows.judging.splits import Splits
from flows.search.session import Services
from flows.settings.search import SearchConfig, load_config
from sandbox.outcome import CellInfo, Evaluation, Outcome, Problem, Trial
from sandbox.trial import Payload
from simulator.domain import find_domain
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.workload import Workload

DURATION = 100
CALLS = 10_000
"""Of a policy in each try: many, so that the start of a cell is little beside them."""
CELL = CellInfo(image_id="sha256:fake", runtime="fake", isolation="none", seconds=0.5)


def scenario(name: str, split: str = "train") -> Scenario:
    """Return a scenario in which nothing arrives."""
    return Scenario(
        name=name,
        family="fake",
        split=split,
        params=Params(duration=DURATION, policy_calls="on_change"),
        workload=Workload(pipelines=()),
        sha256=hashlib.sha256(name.encode()).hexdigest(),
    )


DOMAIN = find_domain()
SCALE = Scale(spec=DOMAIN.spec)


def reference(latency: float | None, throughput: float = 1.0) -> Reference:
    """Return a reference for a scenario of ``DURATION``."""
    return Reference(
        metrics={"weighted_latency_seconds": latency},
        stats={"throughput": throughput},
        known=scenario("any").figures,
    )


def evaluation(
    name: str, latency: float = 50.0, decisions: str = "d", bound: float = 1.0
) -> Evaluation:
    """Return a good evaluation."""
    return Evaluation(
        scenario=name,
        outcome=Outcome.OK,
        stats={},
        metrics={"weighted_latency_seconds": latency, "lower_bound_seconds": bound},
        decision_sha256=decisions,
    )


def failure(name: str, outcome: Outcome = Outcome.POLICY_ERROR) -> Evaluation:
    """Return a failed evaluation."""
    return Evaluation(
        scenario=name, outcome=outcome, problem=Problem(message="ValueError: no", line=1, step=7)
    )


def trial(source: str, evaluations: Sequence[Evaluation]) -> Trial:
    """Return a trial with the first failure as its outcome."""
    failed = [each.outcome for each in evaluations if each.outcome is not Outcome.OK]
    return Trial(
        candidate=hashlib.sha256(source.encode()).hexdigest(),
        outcome=failed[0] if failed else Outcome.OK,
        evaluations=tuple(evaluations),
        cell=CELL,
    )


class FakeSandbox:
    """Reads what to answer from the source, a policy in words.

    ``latency = 20`` holds in every scenario and ``v1 = 60`` in that one; ``fails`` fails in all and
    ``v1 fails`` in one; ``restless`` decides differently within a trial, ``moody`` from trial to
    trial, ``two moody`` in that scenario alone; ``v1 magic`` is better than can be, and
    ``throughput = 9`` fools the legacy metric.
    """

    def __init__(self, surprises: Sequence[Exception] = ()) -> None:
        self.trials: list[tuple[str, tuple[str, ...]]] = []
        self._surprises = list(surprises)

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        self.trials.append((source, tuple(each.name for each in scenarios)))
        if self._surprises and "latency" in source:
            raise self._surprises.pop(0)
        return trial(source, [self._one(source, each.name, n) for n, each in enumerate(scenarios)])

    def last_trials(self) -> None: ...

    def tried_on(self, scenario: str) -> list[str]:
        """Return the sources that were tried on a scenario, in the order of trials."""
        return [source for source, names in self.trials if scenario in names]

    def _one(self, source: str, name: str, number: int) -> Evaluation:
        if source.startswith("fails") or f"{name} fails" in source:
            return failure(name)
        latency = said(source, name) or said(source, "latency") or "50"
        decisions = latency
        if "restless" in source:
            decisions = str(number)
        elif source.startswith("moody") or f"{name} moody" in source:
            decisions = str(len(self.trials))
        good = evaluation(name, float(latency), decisions, 99.0 if f"{name} magic" in source else 1)
        stats = {"throughput": float(said(source, "throughput") or 1)}
        return replace(good, stats=stats, policy_calls=CALLS)


def said(source: str, name: str) -> str:
    """Return the number after ``name = ``; empty where there is none."""
    _, _, rest = source.partition(f"{name} = ")
    return rest.partition(" ")[0]


SPLITS = Splits(
    train=(scenario("one"), scenario("two")),
    validation=(scenario("v1", "validation"), scenario("v2", "validation")),
    test=(scenario("t1", "test"), scenario("t2", "test")),
)


class FakeProposer:
    """Answers from a function of the request."""

    name = "fake"
    uses_prompt = False
    model = None

    def __init__(self, answer: Callable[[ProposalRequest], Proposal]) -> None:
        self.requests: list[ProposalRequest] = []
        self._answer = answer

    def propose(self, request: ProposalRequest) -> Proposal:
        self.requests.append(request)
        return self._answer(request)


def proposal(source: str | None, **changes: Any) -> Proposal:
    """Return an offline proposal."""
    fields = {"title": "a policy", "origin": "offline", "operator": "seed", **changes}
    return Proposal(source=source, **fields)


def better_each_time(request: ProposalRequest) -> Proposal:
    """Propose a policy that is a little better than all before it."""
    place = request.iteration * 10 + request.slot
    return proposal(f"latency = {50 - place / 10}")


@dataclass
class FakeClock:
    """Time that moves when it is told to, or by ``step`` seconds at each look."""

    step: float = 0.0
    elapsed: float = 0.0
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def seconds(self) -> float:
        self.elapsed += self.step
        return self.elapsed

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


class FakeJournal:
    """Keeps rows in a list; ``fails_after`` rows it is as if the process had been killed."""

    def __init__(self, fails_after: int | None = None) -> None:
        self.rows: list[Row] = []
        self._room = fails_after

    def append_all(self, rows: Sequence[Row]) -> None:
        if self._room is not None and len(self.rows) + len(rows) > self._room:
            raise KeyboardInterrupt
        self.rows.extend(rows)


def config(**overrides: Any) -> SearchConfig:
    """Return a configuration of four candidates with naive as the only baseline."""
    settings: dict[str, Any] = {"baselines": ["naive"], "budget.candidates": 4, **overrides}
    return load_config(None, {key.replace("__", "."): value for key, value in settings.items()})


def services(proposer: FakeProposer, **changes: Any) -> Services:
    """Return services that are all fakes."""
    fields: dict[str, Any] = {
        "scenarios": SPLITS,
        "sandbox": FakeSandbox(),
        "proposer": proposer,
        "journal": FakeJournal(),
        "clock": FakeClock(),
        "assay_version": "0",
        "simulator_version": "s",
        **changes,
    }
    return Services(**fields)
