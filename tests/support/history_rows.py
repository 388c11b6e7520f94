"""Rows for tests of the history, each field filled in; tests name only what matters to them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.history.journal import Journal
from flows.history.records import (
    ArtifactRow,
    CandidateRow,
    EvaluationRow,
    EventRow,
    ExperimentRow,
    LlmCallRow,
    PromptRow,
    Row,
    ScenarioRow,
)
from flows.history.store import ingest
from flows.home import build_path

AT = "2026-03-01T20:00:00+00:00"
_DOMAIN: dict[str, Any] = {"domain": "pipelines", "domain_version": "1"}
_SPEC = {
    "name": "pipelines",
    "version": "1",
    "title": "data pipelines on pools of CPUs and memory",
    "summary": "Less than domain.toml says, so that these rows do not change with it.",
    "unit_of_step": "tick",
    "reference": "naive",
    "example": "priority",
    "calls": {"scored": "on_change", "audit": "every_tick", "modes": ["on_change", "every_tick"]},
    "sizes": {"pipelines": "pipelines", "operators": "operators"},
    "objectives": [
        {
            "name": "weighted_latency",
            "label": "weighted latency",
            "figure": "weighted_latency_seconds",
            "unit": "s",
            "failed": "duration_seconds",
        }
    ],
    "metrics": [
        {
            "key": "pipelines_completed",
            "label": "pipelines completed",
            "over": "sum",
            "out_of": "pipelines_arrived",
            "brief": "completed",
        },
        {"key": "pipelines_arrived", "label": "pipelines arrived", "over": "sum"},
        {
            "key": "oom_kills",
            "label": "out-of-memory (OOM) kills",
            "over": "sum",
            "brief": "OOM kills",
        },
        {"key": "oom_wasted_cpu_seconds", "label": "CPU seconds lost to OOM kills"},
        {"key": "memory_consumed_percent", "label": "memory consumed", "unit": "%"},
    ],
}
"""What rows say of their domain."""

_EXPERIMENT = ExperimentRow(
    experiment_id="night",
    name="night",
    created_at=AT,
    status="running",
    seed=1,
    **_DOMAIN,
    domain_sha256="d0a1",
    domain_spec=_SPEC,
    suite="smoke",
    objective="weighted_latency",
    proposer="offline",
    strategy="refine",
    model=None,
    config={"candidates": 3},
    config_sha256="c0ffee",
    assay_version="0.1.0",
    simulator_version="5eed",
    image_id=None,
)
_SCENARIO = ScenarioRow(
    experiment_id="night",
    scenario="calm",
    family="steady",
    split="train",
    sha256="5ce7a210",
    duration_seconds=60.0,
    size={"pipelines": 20, "operators": 40},
    figures={"duration_seconds": 60.0},
    params={"num_pools": 1},
    baseline_policy="naive",
    baseline_stats={"throughput": 0.5},
    baseline_metrics={"weighted_latency_seconds": 12.0},
)
_CANDIDATE = CandidateRow(
    experiment_id="night",
    iteration=1,
    slot=0,
    candidate="ca",
    title="smallest first",
    origin="offline",
    operator="mutate",
    parents=[],
    source="x = 1\n",
    outcome="ok",
    score=1.0,
    improved=False,
    problem=None,
    problem_line=None,
    duplicate_of=None,
    prompt_sha256=None,
    created_at=AT,
    seconds=1.5,
    cell_seconds=1.0,
    image_id=None,
    isolation="container",
    findings=[],
    simulator_version="5eed",
    config_sha256="c0ffee",
    **_DOMAIN,
)
_EVALUATION = EvaluationRow(
    experiment_id="night",
    iteration=1,
    slot=0,
    scenario="calm",
    attempt=0,
    candidate="ca",
    split="train",
    outcome="ok",
    score=1.0,
    cost=12.0,
    cost_unit="s",
    problem=None,
    problem_line=None,
    problem_step=None,
    stats={"throughput": 0.5},
    metrics={"oom_kills": 0, "latency": {"query": {"p99": 4.0}}},
    policy_calls=10,
    policy_cpu_seconds=0.01,
    seconds=0.2,
    decision_sha256="dec1de",
    prints="",
    image_id=None,
    simulator_version="5eed",
    config_sha256="c0ffee",
    **_DOMAIN,
    domain_sha256="d0a1",
    trust="shipped",
    created_at=AT,
    host="alpha",
    engine="29.0",
    isolation="container",
)
_CALL = LlmCallRow(
    experiment_id="night",
    iteration=1,
    slot=0,
    attempt=0,
    request_sha256="a5c",
    prompt_sha256="9207",
    provider="127.0.0.1:8000",
    model="any",
    api="chat",
    outcome="ok",
    error=None,
    reply="text",
    finish_reason="stop",
    request_id=None,
    input_tokens=1000,
    cached_tokens=0,
    output_tokens=500,
    reasoning_tokens=0,
    cost_usd=0.01,
    seconds=3.0,
    created_at=AT,
)


def experiment(**fields: Any) -> ExperimentRow:
    """One search."""
    return replace(_EXPERIMENT, **fields)


def scenario(**fields: Any) -> ScenarioRow:
    """One scenario of its suite."""
    return replace(_SCENARIO, **fields)


def candidate(**fields: Any) -> CandidateRow:
    """One attempt."""
    return replace(_CANDIDATE, **fields)


def evaluation(**fields: Any) -> EvaluationRow:
    """One attempt on one scenario."""
    return replace(_EVALUATION, **fields)


def call(**fields: Any) -> LlmCallRow:
    """One request to a model."""
    return replace(_CALL, **fields)


def prompt(**fields: Any) -> PromptRow:
    """One prompt."""
    messages = [{"role": "user", "content": "write a policy"}]
    row = PromptRow(
        prompt_sha256="9207", template="refine", template_sha256="7e3", messages=messages
    )
    return replace(row, **fields)


def event(**fields: Any) -> EventRow:
    """One event."""
    row = EventRow(
        experiment_id="night",
        sequence=0,
        kind="started",
        iteration=None,
        slot=None,
        message="started",
        detail={},
        created_at=AT,
    )
    return replace(row, **fields)


def artifact(**fields: Any) -> ArtifactRow:
    """One file."""
    row = ArtifactRow(
        experiment_id="night",
        kind="best_policy",
        path="experiments/night/best_policy.py",
        sha256="f11e",
        size_bytes=6,
        created_at=AT,
    )
    return replace(row, **fields)


def one_of_each() -> list[Row]:
    """A row of every kind."""
    rows: list[Row] = [experiment(), scenario(), candidate(), evaluation(), prompt(), call()]
    return [*rows, event(), artifact()]


def remember(home: Path, rows: Sequence[Row], experiment_id: str = "night") -> Path:
    """Write rows to a journal of their own; returns its file.

    An empty home gets a database without rows, as an ingest of nothing leaves it: to make its
    tables takes longer than most tests.
    """
    if not any(home.glob("*")):
        home.mkdir(parents=True, exist_ok=True)
        build_path(home).write_bytes(_empty_database())
    with Journal(home, experiment_id) as journal:
        journal.append_all(rows)
        return journal.path


@cache
def _empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        (Path(folder) / "journal").mkdir()
        ingest(Path(folder))
        return build_path(Path(folder)).read_bytes()
