"""The results of a trial. A policy's failures are values: stored, scored, shown to the model."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How an evaluation ended: well, or with a failure of the policy; never with one of ours.

    ``simulator_failed`` alone is neither.
    """

    OK = "ok"
    MALFORMED = "malformed"
    REJECTED = "rejected"
    LOAD_ERROR = "load_error"
    POLICY_ERROR = "policy_error"
    INVALID_DECISION = "invalid_decision"
    CALL_TIMEOUT = "call_timeout"
    CPU_LIMIT = "cpu_limit"
    WALL_LIMIT = "wall_limit"
    MEMORY_LIMIT = "memory_limit"
    PROTOCOL_ERROR = "protocol_error"
    WORKER_DIED = "worker_died"
    NONDETERMINISTIC = "nondeterministic"
    SIMULATOR_FAILED = "simulator_failed"
    """The untrusted simulator of a sealed domain failed: no policy is charged for it."""
    NOT_TRIED = "not_tried"
    """The policy reached a time limit in an earlier scenario of the trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing the screen refuses; lines and columns count from 1, 0 means the whole file."""

    line: int
    column: int
    code: str
    message: str
    source_line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an evaluation failed, in one message, with the policy's line where one is known."""

    message: str
    line: int | None = None
    step: int | None = None
    """The step of the simulation at which the policy was called."""
    source_line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a cell ran: the host, with its engine and image, and the isolation of the cell."""

    host: str
    engine: str
    """Version of the Docker engine; ``none`` for an embedded cell."""
    image_id: str
    isolation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One candidate on one scenario."""

    scenario: str
    outcome: Outcome
    problem: Problem | None = None
    stats: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    policy_calls: int = 0
    policy_cpu_seconds: float = 0.0
    simulator_cpu_seconds: float = 0.0
    seconds: float = 0.0
    decision_sha256: str | None = None
    prints: str = ""
    """Untrusted text."""
    place: Place | None = None
    """None where the policy was not tried in a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellInfo:
    """The cell of a trial, the first of several."""

    image_id: str
    runtime: str
    isolation: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate on a list of scenarios: one evaluation for each, in their order."""

    candidate: str
    """sha256 of the source, in hex."""
    outcome: Outcome
    """``ok`` if all evaluations are, else the first failure."""
    evaluations: tuple[Evaluation, ...]
    findings: tuple[Finding, ...] = ()
    cell: CellInfo | None = None
    """None if the source was refused before a cell was needed."""
