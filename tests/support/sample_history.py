"""A small made-up history of three searches, two with a model, for the documentation's queries."""

from collections.abc import Iterator
from math import exp, log
from pathlib import Path

from flows.records import CandidateRow, EvaluationRow, Row
from tests.support.history_rows import (
    artifact,
    call,
    candidate,
    evaluation,
    event,
    experiment,
    prompt,
    remember,
    scenario,
)

SCENARIOS = {
    "calm-1": ("steady", "train"),
    "rush-1": ("bursts", "train"),
    "rush-2": ("bursts", "validation"),
}
WORDINGS = {"short": "aa11", "with-examples": "bb22"}
# iteration, score (None: failed), parents, how it was made
STEPS: tuple[tuple[int, float | None, tuple[int, ...], str], ...] = (
    (1, 1.2, (), "seed"),
    (2, 1.5, (1,), "mutate"),
    (3, None, (2,), "mutate"),
    (4, 1.5, (2,), "mutate"),
    (5, 2.1, (2, 4), "crossover"),
    (6, None, (5,), "mutate"),
    (7, 2.0, (5,), "tune"),
    (8, 2.4, (5,), "mutate"),
)
SOURCE = "def step(s, results, pipelines):\n    size = pipelines[0].size\n    return [], []\n"


def write_sample_history(home: Path) -> None:
    """Write the journals of three searches into a home folder."""
    for number, (name, model) in enumerate(
        [("offline-monday", None), ("model-monday", "any-large"), ("model-tuesday", "any-large")]
    ):
        remember(home, list(search(name, model, number)), name)


def search(name: str, model: str | None, number: int) -> Iterator[Row]:
    """All rows of one search; later searches reach higher scores."""
    day = f"2026-03-0{number + 1}"
    lift = 1 + number / 10
    yield experiment(
        experiment_id=name,
        name=name,
        created_at=f"{day}T20:00:00+00:00",
        finished_at=f"{day}T20:30:00+00:00",
        status="finished",
        proposer="openai" if model else "offline",
        model=model,
        seed=number,
    )
    for title, (family, split) in SCENARIOS.items():
        yield scenario(experiment_id=name, scenario=title, family=family, split=split)
    for slot, (title, score) in enumerate([("naive", 1.0), ("priority", 1.1)]):
        row = baseline(name, day, slot, title, score)
        yield row
        yield from tries(row, score)
    for wording, sha256 in WORDINGS.items():
        yield prompt(prompt_sha256=f"p-{wording}", template=wording, template_sha256=sha256)
    best = 1.1
    for iteration, reached, parents, operator in STEPS:
        lifted = reached and round(reached * lift, 3)
        row = attempt(name, day, iteration, lifted, parents, operator, model, best)
        best = max(best, lifted or 0.0)
        yield row
        yield from tries(row, lifted)
        if model:
            yield from calls(row)
    yield event(experiment_id=name, sequence=0, kind="started", created_at=f"{day}T20:00:00+00:00")
    yield event(experiment_id=name, sequence=1, kind="finished", created_at=f"{day}T20:30:00+00:00")
    yield artifact(experiment_id=name, path=f"experiments/{name}/best_policy.py")


def baseline(name: str, day: str, slot: int, title: str, score: float) -> CandidateRow:
    """A reference policy, tried before the search begins."""
    return candidate(
        experiment_id=name,
        iteration=0,
        slot=slot,
        candidate=f"{title}-sha",
        title=title,
        origin="baseline",
        operator="baseline",
        source=SOURCE,
        score=score,
        improved=True,
        created_at=f"{day}T20:00:00+00:00",
    )


def attempt(
    name: str,
    day: str,
    iteration: int,
    score: float | None,
    parents: tuple[int, ...],
    operator: str,
    model: str | None,
    best: float,
) -> CandidateRow:
    """One candidate of the search."""
    failed = score is None
    return candidate(
        experiment_id=name,
        iteration=iteration,
        candidate=f"{name}-{iteration}",
        title=f"idea {iteration}",
        origin="model" if model else "offline",
        operator=operator,
        parents=[f"{name}-{parent}" for parent in parents],
        source=SOURCE,
        outcome="policy_error" if failed else "ok",
        score=0.3 if failed else score,
        improved=(score or 0.0) > best,
        problem="AttributeError: 'Pipeline' object has no attribute 'size'" if failed else None,
        problem_line=2 if failed else None,
        duplicate_of="2/0" if iteration == 4 else None,
        prompt_sha256=f"p-{list(WORDINGS)[iteration % 3 > 0 and iteration < 7]}" if model else None,
        created_at=f"{day}T20:{iteration:02d}:00+00:00",
        seconds=4.0 + iteration,
        cell_seconds=2.0,
    )


def tries(row: CandidateRow, score: float | None) -> Iterator[EvaluationRow]:
    """The attempt on each scenario, and a repeat of the first to check that it is repeatable."""
    for place, (title, (_, split)) in enumerate(SCENARIOS.items()):
        own = 0.3 if score is None else round(exp(log(score) * (1.2 - 0.2 * place)), 4)
        for repeat in (0, 1) if place == 0 else (0,):
            yield evaluation(
                experiment_id=row.experiment_id,
                iteration=row.iteration,
                slot=row.slot,
                scenario=title,
                attempt=repeat,
                candidate=row.candidate or "",
                split=split,
                outcome=row.outcome,
                score=own,
                weighted_latency_seconds=round(12.0 / own, 4),
                problem=row.problem,
                problem_line=row.problem_line,
                metrics=None if score is None else metrics(own),
                policy_calls=100 + row.iteration,
                policy_cpu_seconds=0.01 * (1 + row.iteration),
                decision_sha256=f"d-{score}-{title}",
                created_at=row.created_at,
            )


def metrics(score: float) -> dict[str, object]:
    """Metrics that get better with the score."""
    return {
        "oom_kills": round(10 / score),
        "oom_wasted_cpu_seconds": round(40 / score, 2),
        "memory_allocated_percent": 80.0,
        "memory_consumed_percent": round(30 * score, 2),
        "latency": {
            name: {"arrived": 20, "completed": 18, "mean": 9 / score, "p99": 30 / score}
            for name in ("query", "interactive", "batch", "all")
        },
    }


def calls(row: CandidateRow) -> Iterator[Row]:
    """The requests that led to the attempt; every third needs a second one."""
    slow = row.iteration % 3 == 0
    shared = {
        "experiment_id": row.experiment_id,
        "iteration": row.iteration,
        "prompt_sha256": row.prompt_sha256,
        "model": "any-large",
        "created_at": row.created_at,
    }
    if slow:
        yield call(**shared, outcome="rate_limited", error="429", reply=None, cost_usd=None)
    yield call(**shared, attempt=1 if slow else 0, cost_usd=0.02, output_tokens=700)
