"""The rows of the history: what a search writes to its journal and what SQL finds in tables."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

Json = dict[str, Any]

RUNNING = "running"
"""The status of an experiment that runs, or that was cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRow:
    """One search. Key: experiment_id. Written whole, at the start and when its status changes."""

    experiment_id: str
    name: str
    created_at: str
    """ISO 8601, UTC."""
    status: str
    """running | finished | budget_exhausted | finished_with_losses | interrupted | failed."""
    status_detail: str = ""
    seed: int
    domain: str = ""
    domain_version: str = ""
    domain_sha256: str = ""
    """Of all files of the domain's folder; with another one the experiment is not continued."""
    domain_spec: Json = field(default_factory=dict)
    """What ``domain.toml`` says, so that the rows can be read without the domain."""
    suite: str
    objective: str
    proposer: str
    strategy: str
    model: str | None
    config: Json
    config_sha256: str
    assay_version: str
    simulator_version: str
    image_id: str | None
    flow_run_id: str | None = None
    finished_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRow:
    """One scenario of an experiment's suite. Key: (experiment_id, scenario)."""

    experiment_id: str
    scenario: str
    family: str
    split: str
    sha256: str
    duration_seconds: float
    size: Json = field(default_factory=dict)
    """How much there is of what; the domain says which counts it has."""
    figures: Json = field(default_factory=dict)
    """What is known before any policy ran, such as capacities and what a failure is charged."""
    params: Json
    baseline_policy: str
    baseline_stats: Json
    baseline_metrics: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRow:
    """One attempt. Key: (experiment_id, iteration, slot). Baselines have iteration 0."""

    experiment_id: str
    iteration: int
    slot: int
    candidate: str | None
    """sha256 of the source; None when the reply held no source (outcome malformed)."""
    title: str
    origin: str
    """baseline | offline | model | folder | mcp:CLIENT; a replayed proposal keeps what it was."""
    operator: str
    """How it was made: baseline, seed, mutate, crossover, tune, sample, refine."""
    parents: list[str]
    """Candidate sha256s."""
    source: str | None
    outcome: str
    score: float | None
    """Geometric mean over scenarios of the reference's cost over the own; higher is better."""
    improved: bool
    """Promoted: it became the experiment's best; see ``standing``."""
    problem: str | None
    problem_line: int | None
    duplicate_of: str | None
    """``iteration/slot`` of an earlier attempt with the same normalised source or behaviour."""
    prompt_sha256: str | None
    created_at: str
    seconds: float
    cell_seconds: float | None
    image_id: str | None
    isolation: str | None
    findings: list[Json]
    simulator_version: str = ""
    config_sha256: str = ""
    domain: str = ""
    domain_version: str = ""
    validation_score: float | None = None
    """The same mean over the validation scenarios; None when it was not tried on them."""
    standing: str = ""
    """"" (never better on train) | promoted | refused | barred; the last two are not the best."""
    standing_detail: str = ""
    """Why, in words: the interval, or the guard that barred it."""
    gain_low_percent: float | None = None
    gain_high_percent: float | None = None
    """Interval of its gain over the best before it, paired over the validation scenarios."""
    gap_percent: float | None = None
    """How far train is above validation, beyond the same for the best baseline."""
    name: str = ""
    """What it is called; empty where it was recorded without: see ``flows.names.name_of``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow:
    """One candidate on one scenario. Key: (experiment_id, iteration, slot, scenario, attempt)."""

    experiment_id: str
    iteration: int
    slot: int
    scenario: str
    attempt: int
    """0 is the scored try; higher numbers are repeats; see ``purpose``."""
    candidate: str
    split: str
    outcome: str
    score: float | None
    cost: float | None = None
    """The figure of the domain's first objective, in ``cost_unit``; a failure with its charge.

    None for a repeat without that figure.
    """
    cost_unit: str = ""
    problem: str | None
    problem_line: int | None
    problem_step: int | None = None
    stats: Json | None
    metrics: Json | None
    policy_calls: int
    policy_cpu_seconds: float
    seconds: float
    decision_sha256: str | None
    prints: str
    image_id: str | None
    simulator_version: str
    config_sha256: str
    domain: str = ""
    domain_version: str = ""
    domain_sha256: str = ""
    trust: str = ""
    """Whose word the figures are: shipped | local | sealed; see ``simulator.domain.Domain``. An
    experiment has one domain, so that no leaderboard mixes them."""
    created_at: str
    host: str | None = None
    """The host of the cell; with ``engine``, None where the policy was not tried in a cell."""
    engine: str | None = None
    isolation: str | None = None
    purpose: str = "score"
    """score | repeat (determinism) | elite (tried again before promotion) | audit (another
    calling mode)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRow:
    """A prompt as sent. Key: prompt_sha256."""

    prompt_sha256: str
    template: str
    template_sha256: str
    messages: list[Json]
    """[{"role": "system" | "user" | "assistant", "content": "..."}]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmCallRow:
    """One request to a model, failed or not. Key: (experiment_id, iteration, slot, attempt)."""

    experiment_id: str
    iteration: int
    slot: int
    attempt: int
    request_sha256: str
    prompt_sha256: str
    provider: str
    """Host and port of the base URL, never a key."""
    model: str
    api: str
    """chat | responses."""
    outcome: str
    """ok | truncated | empty | refused: the model answered, see ``flows.proposers.refusals``; else
    bad_reply | failed | filtered | thinking | no_api | rate_limited | server_error | timeout |
    connection_error | connection_lost | auth_error | no_credit | bad_request."""
    error: str | None
    reply: str | None
    finish_reason: str | None
    request_id: str | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    seconds: float
    created_at: str
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Something worth knowing later. Key: (experiment_id, sequence)."""

    experiment_id: str
    sequence: int
    kind: str
    """started | resumed | new_best | refused | gap_alarm | audit | test | attempt_lost | budget |
    interrupted | finished | warning | acceptance (of a simulator) | acceptance_step."""
    iteration: int | None
    slot: int | None
    message: str
    detail: Json
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRow:
    """A file that an experiment left. Key: (experiment_id, kind, path)."""

    experiment_id: str
    kind: str
    """best_policy | report."""
    path: str
    """Relative to the home folder."""
    sha256: str
    size_bytes: int
    created_at: str


Row = (
    ExperimentRow
    | ScenarioRow
    | CandidateRow
    | EvaluationRow
    | PromptRow
    | LlmCallRow
    | EventRow
    | ArtifactRow
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKind:
    """What a kind of row is called in the journal, which table holds it, which fields name it."""

    kind: str
    row_type: type[Row]
    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...] = field(init=False)
    """The row's fields; the table has a column for each."""
    moments: tuple[str, ...] = field(init=False)
    """Those that hold a time."""
    values: Callable[[Row], tuple[Any, ...]] = field(init=False)
    """Gives the values of a row, in the order of columns."""

    def __post_init__(self) -> None:
        columns = tuple(each.name for each in fields(self.row_type))
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "moments", tuple(c for c in columns if c.endswith("_at")))
        object.__setattr__(self, "values", attrgetter(*columns))


_SLOT = ("experiment_id", "iteration", "slot")

ROW_KINDS = (
    RowKind(kind="experiment", row_type=ExperimentRow, table="experiments", key=("experiment_id",)),
    RowKind(
        kind="scenario",
        row_type=ScenarioRow,
        table="scenarios",
        key=("experiment_id", "scenario"),
    ),
    RowKind(kind="candidate", row_type=CandidateRow, table="candidates", key=_SLOT),
    RowKind(
        kind="evaluation",
        row_type=EvaluationRow,
        table="evaluations",
        key=(*_SLOT, "scenario", "attempt"),
    ),
    RowKind(kind="prompt", row_type=PromptRow, table="prompts", key=("prompt_sha256",)),
    RowKind(kind="llm_call", row_type=LlmCallRow, table="llm_calls", key=(*_SLOT, "attempt")),
    RowKind(kind="event", row_type=EventRow, table="events", key=("experiment_id", "sequence")),
    RowKind(
        kind="artifact",
        row_type=ArtifactRow,
        table="artifacts",
        key=("experiment_id", "kind", "path"),
    ),
)
"""Every kind of row. A field added later needs a default, so that older journals stay readable."""


Key = tuple[int, int]
"""The iteration and the slot of an attempt."""


def format_key(key: Key) -> str:
    """Return ``iteration/slot``, as the history writes it."""
    return f"{key[0]}/{key[1]}"


def parse_key(text: str) -> Key:
    """Return the pair that :func:`format_key` wrote."""
    iteration, slot = text.split("/")
    return int(iteration), int(slot)


def key_of(row: CandidateRow | EvaluationRow) -> Key:
    """Return the iteration and slot of a row."""
    return row.iteration, row.slot
