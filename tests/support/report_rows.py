"""Rows of a made-up search for the report's tests: every number follows from the seed."""

import random
from dataclasses import replace
from hashlib import sha256
from typing import Any

from flows.history.records import (
    ArtifactRow,
    CandidateRow,
    EvaluationRow,
    EventRow,
    ExperimentRow,
    LlmCallRow,
    PromptRow,
    ScenarioRow,
)
from flows.report.data import ReportData
from simulator.domain import find_domain
from simulator.domain_spec import plain_spec

EXPERIMENT = "made-up-1a2b3c4d"
AT = "2026-01-02T03:04:05+00:00"
SECONDS = 300
PRIORITIES = (
    ("query", 20, 12.0),
    ("interactive", 30, 40.0),
    ("batch", 70, 160.0),
    ("all", 120, 95.0),
)


def search_rows(
    attempts: int = 12, scenarios: int = 3, *, seed: int = 1, model: bool = False, lines: int = 40
) -> ReportData:
    """A search whose scores rise; every fifth attempt fails, each is made from an earlier one."""
    rng = random.Random(seed)
    candidates = [
        _candidate(0, "naive", "baseline", "baseline", [], 1.0, True, lines),
        _candidate(0, "priority", "baseline", "baseline", [], 1.4, True, lines, slot=1),
    ]
    best = 1.4
    for iteration in range(1, attempts + 1):
        made = [row for row in candidates[2:] if row.outcome == "ok"]
        parents = [rng.choice(made[-6:]).candidate or ""] if made else []
        score = round(rng.uniform(0.7, 1.2 + 1.2 * iteration / attempts), 4)
        row = _candidate(
            iteration,
            f"variation {iteration}",
            "offline",
            "mutate",
            parents,
            score,
            score > best,
            lines,
        )
        if iteration % 5 == 0:
            row = replace(
                row,
                outcome="policy_error",
                improved=False,
                score=0.4,
                problem="ZeroDivisionError: division by zero",
                problem_line=3,
            )
        best = max(best, score if row.improved else best)
        candidates.append(row)
    names = [f"scenario-{index}" for index in range(scenarios)]
    data = ReportData(
        domain=find_domain("pipelines"),
        experiment=experiment_row(),
        scenarios=tuple(_scenario(name) for name in names),
        candidates=tuple(candidates),
        evaluations=tuple(_evaluation(row, name, rng) for row in candidates for name in names),
        events=(_event(1, "started", "the search starts"),),
        artifacts=(_artifact(),),
    )
    return _with_model(data, rng) if model else data


def experiment_row(**changes: Any) -> ExperimentRow:
    """The experiment's row."""
    spec = find_domain("pipelines").spec
    row = ExperimentRow(
        experiment_id=EXPERIMENT,
        name="made-up",
        created_at=AT,
        status="finished",
        seed=1,
        domain=spec.name,
        domain_version=spec.version,
        domain_spec=plain_spec(spec),
        suite="smoke",
        objective="weighted_latency",
        proposer="offline",
        strategy="refine",
        model=None,
        config={"name": "made-up", "limits": {"cpu_seconds": 10}},
        config_sha256="c" * 64,
        assay_version="0.1.0",
        simulator_version="0.1.0",
        image_id="sha256:" + "d" * 64,
        finished_at="2026-01-02T03:06:35+00:00",
    )
    return replace(row, **changes)


def _candidate(
    iteration: int,
    title: str,
    origin: str,
    operator: str,
    parents: list[str],
    score: float,
    improved: bool,
    lines: int,
    slot: int = 0,
) -> CandidateRow:
    body = "".join(f"    value_{index} = {index * (iteration + 1)}\n" for index in range(lines))
    source = f'"""{title}"""\n\ndef step(s, results, pipelines):\n{body}    return [], []\n'
    return CandidateRow(
        experiment_id=EXPERIMENT,
        iteration=iteration,
        slot=slot,
        candidate=sha256(source.encode()).hexdigest(),
        title=title,
        origin=origin,
        operator=operator,
        parents=parents,
        source=source,
        outcome="ok",
        score=score,
        improved=improved,
        problem=None,
        problem_line=None,
        duplicate_of=None,
        prompt_sha256=None,
        created_at=AT,
        seconds=1.5,
        cell_seconds=1.2,
        image_id="sha256:" + "d" * 64,
        isolation="docker",
        findings=[],
    )


def _scenario(name: str) -> ScenarioRow:
    return ScenarioRow(
        experiment_id=EXPERIMENT,
        scenario=name,
        family="bursts",
        split="train",
        sha256=sha256(name.encode()).hexdigest(),
        duration_seconds=float(SECONDS),
        size={"pipelines": 120, "operators": 480},
        figures={
            "pools": 2.0,
            "cpus": 64.0,
            "memory_gb": 256.0,
            "duration_seconds": float(SECONDS),
        },
        params={"num_pools": 2, "cpus_per_pool": 32, "ram_gb_per_pool": 128},
        baseline_policy="naive",
        baseline_stats={},
        baseline_metrics={},
    )


def _evaluation(row: CandidateRow, scenario: str, rng: random.Random) -> EvaluationRow:
    score = (row.score or 0.4) * rng.uniform(0.85, 1.15)
    return EvaluationRow(
        experiment_id=EXPERIMENT,
        iteration=row.iteration,
        slot=row.slot,
        scenario=scenario,
        attempt=0,
        candidate=row.candidate or "",
        split="train",
        outcome=row.outcome,
        score=round(1.0 if row.title == "naive" else score, 4),
        cost=round(4000 / score, 3),
        cost_unit="s",
        problem=row.problem,
        problem_line=row.problem_line,
        problem_step=None,
        stats=None,
        metrics=_metrics(score, rng) if row.outcome == "ok" else None,
        policy_calls=900,
        policy_cpu_seconds=0.12,
        seconds=0.4,
        decision_sha256="e" * 64,
        prints="",
        image_id=row.image_id,
        simulator_version="0.1.0",
        config_sha256="c" * 64,
        created_at=AT,
    )


def _metrics(score: float, rng: random.Random) -> dict[str, Any]:
    latency = {
        name: {
            "arrived": arrived,
            "completed": min(arrived, int(arrived * 0.5 * score)),
            "timed_out": 0,
            "mean": mean / score,
            "p50": mean / score * 0.8,
            "p95": mean / score * 2.4,
            "p99": mean / score * 3,
        }
        for name, arrived, mean in PRIORITIES
    }
    return {
        "weighted_latency_seconds": 4000 / score,
        "pipelines_completed": 100,
        "pipelines_arrived": 120,
        "latency": latency,
        "cpu_allocated_percent": 40 * score,
        "oom_kills": 3,
        "oom_by_request": [[16, 20.5, 2], [8, 9.0, 1]],
        "timeline": {
            "seconds_per_sample": 1.0,
            "allocated_cpu": [min(64, 20 * score + int(21 * rng.random())) for _ in range(SECONDS)],
            "allocated_ram_gb": [90 + 40 * rng.random() for _ in range(SECONDS)],
            "queued_query": [int(4 * rng.random()) for _ in range(SECONDS)],
            "queued_interactive": [int(second / 40 / score) for second in range(SECONDS)],
            "queued_batch": [int(second / 10 / score) for second in range(SECONDS)],
        },
    }


def _event(sequence: int, kind: str, message: str) -> EventRow:
    return EventRow(
        experiment_id=EXPERIMENT,
        sequence=sequence,
        kind=kind,
        iteration=None,
        slot=None,
        message=message,
        detail={},
        created_at=AT,
    )


def _artifact() -> ArtifactRow:
    return ArtifactRow(
        experiment_id=EXPERIMENT,
        kind="best_policy",
        path=f"experiments/{EXPERIMENT}/best_policy.py",
        sha256="f" * 64,
        size_bytes=100,
        created_at=AT,
    )


def _with_model(data: ReportData, rng: random.Random) -> ReportData:
    shared = "\n".join(f"rule {index}: {rng.random():.12f} says the page" for index in range(300))
    history = [f"attempt {index}: {rng.random():.12f} of the naive latency" for index in range(400)]
    prompts, calls, candidates = [], [], []
    for row in data.candidates:
        if row.origin == "baseline":
            candidates.append(row)
            continue
        user = "\n".join(history[: 100 + row.iteration]) + f"\nnow try {row.iteration}"
        name = sha256(user.encode()).hexdigest()
        messages = [{"role": "system", "content": shared}, {"role": "user", "content": user}]
        prompts.append(
            PromptRow(
                prompt_sha256=name, template="refine", template_sha256="a" * 64, messages=messages
            )
        )
        calls.append(_call(row, name))
        candidates.append(replace(row, origin="model", operator="refine", prompt_sha256=name))
    return replace(data, candidates=tuple(candidates), calls=tuple(calls), prompts=tuple(prompts))


def _call(row: CandidateRow, prompt: str) -> LlmCallRow:
    return LlmCallRow(
        experiment_id=EXPERIMENT,
        iteration=row.iteration,
        slot=row.slot,
        attempt=0,
        request_sha256="b" * 64,
        prompt_sha256=prompt,
        provider="127.0.0.1:8080",
        model="a-model",
        api="chat",
        outcome="ok",
        error=None,
        reply=f"Here it is:\n```python\n{row.source}```\n",
        finish_reason="stop",
        request_id=None,
        input_tokens=4000,
        cached_tokens=None,
        output_tokens=700,
        reasoning_tokens=None,
        cost_usd=0.0125,
        seconds=4.2,
        created_at=AT,
    )
