"""A small made-up history of three searches, two with a model: the one that the docs ship.

``python -m tests.support.sample_history docs/sample-history`` writes its journals.
"""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flows.history.journal import Journal
from flows.history.records import CandidateRow, EvaluationRow, Row
from tests.support.history_rows import (
    artifact,
    call,
    candidate,
    evaluation,
    event,
    experiment,
    prompt,
    scenario,
)

SEARCHES = (("offline-monday", None), ("model-monday", "any-large"), ("model-tuesday", "any-large"))
SCENARIOS = {
    "calm-1": ("steady", "train", 1.1),
    "rush-1": ("bursts", "train", 1 / 1.1),
    "calm-2": ("steady", "validation", 1.04),
    "rush-2": ("bursts", "validation", 1 / 1.04),
    "rush-3": ("bursts", "test", 1.0),
}
WORDINGS = {"short": "aa11", "with-examples": "bb22"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One attempt of every search."""

    score: float | None = None
    """On train; None when it failed."""
    validation: float | None = None
    standing: str = ""
    parents: tuple[int, ...] = ()
    operator: str = "mutate"
    outcome: str = "ok"
    twin: int | None = None
    """An earlier attempt that decided the same."""


STEPS = (
    Step(score=1.2, validation=1.16, standing="promoted", operator="seed"),
    Step(score=1.5, validation=1.42, standing="promoted", parents=(1,)),
    Step(outcome="policy_error", parents=(2,)),
    Step(score=1.5, parents=(2,), twin=2),
    Step(score=2.1, validation=1.95, standing="promoted", parents=(2, 4), operator="crossover"),
    Step(outcome="rejected", parents=(5,)),
    Step(score=2.0, parents=(5,), operator="tune"),
    Step(score=2.4, validation=2.25, standing="promoted", parents=(5,)),
    Step(score=2.5, validation=2.2, standing="refused", parents=(8,), operator="tune"),
    Step(score=4.6, validation=2.3, standing="barred", parents=(8,)),
    Step(outcome="malformed"),
    Step(outcome="policy_error", parents=(8,)),
)
BEST = 8
PROBLEMS = {
    "policy_error": ("AttributeError: 'Pipeline' object has no attribute 'size'", 2),
    "rejected": ("line 1: import os is not allowed", 1),
    "malformed": ("the reply holds no policy", None),
}
DETAILS = {
    "promoted": "6.1 % better on validation (95 % interval 2.2 to 10.3, 2 scenarios)",
    "refused": "2.2 % worse on validation (95 % interval 6.4 worse to 2.1 better, 2 scenarios)",
    "barred": "gap alarm: train is 100 % further above validation than for the best baseline",
}


def write_sample_history(home: Path) -> None:
    """Write the journals of three searches into a home folder, always the same bytes."""
    for number, (name, model) in enumerate(SEARCHES):
        began = datetime.fromisoformat(f"{day(number)}T20:00:00+00:00")
        with Journal(home, name, now=partial(began.astimezone, UTC)) as journal:
            journal.append_all(list(search(name, model, number)))
        journal.path.rename(journal.path.with_name(f"{name}.{began:%Y%m%dT%H%M%S%f}.1.jsonl"))


def search(name: str, model: str | None, number: int) -> Iterator[Row]:
    """All rows of one search; later searches reach higher scores."""
    yield experiment(
        experiment_id=name,
        name=name,
        created_at=at(number, 0),
        finished_at=at(number, 30),
        status="finished",
        proposer="openai" if model else "offline",
        model=model,
        seed=number,
    )
    for title, (family, split, _) in SCENARIOS.items():
        yield scenario(experiment_id=name, scenario=title, family=family, split=split)
    for wording, sha256 in WORDINGS.items():
        yield prompt(prompt_sha256=f"p-{wording}", template=wording, template_sha256=sha256)
    for slot, (title, score) in enumerate([("naive", 1.0), ("priority", 1.1)]):
        row = baseline(name, number, slot, title, score)
        yield from tries(row, Step(score=score, validation=score), tested=True)
        yield row
    for iteration, step in enumerate(STEPS, start=1):
        row = attempt(name, number, iteration, step, model)
        lifted = Step(score=row.score, validation=row.validation_score, outcome=step.outcome)
        if step.outcome in ("ok", "policy_error"):
            yield from tries(row, lifted, tested=iteration == BEST, twin=step.twin)
        if model:
            yield from calls(row)
        yield row
    yield from happenings(name, number)
    yield artifact(
        experiment_id=name,
        path=f"experiments/{name}/best_policy.py",
        sha256=candidate_sha256(name, BEST),
        created_at=at(number, 30),
    )


def baseline(name: str, number: int, slot: int, title: str, score: float) -> CandidateRow:
    """A reference policy, tried before the search begins."""
    source = f"# {title}\ndef step(s, results, pipelines):\n    return [], []\n"
    return candidate(
        experiment_id=name,
        iteration=0,
        slot=slot,
        candidate=hashlib.sha256(source.encode()).hexdigest(),
        title=title,
        origin="baseline",
        operator="baseline",
        source=source,
        score=score,
        validation_score=score,
        improved=True,
        standing="promoted",
        created_at=at(number, 0),
    )


def attempt(name: str, number: int, iteration: int, step: Step, model: str | None) -> CandidateRow:
    """One candidate of the search."""
    lift = 1 + number / 10
    problem, line = PROBLEMS.get(step.outcome, (None, None))
    none = step.outcome == "malformed"
    wording = list(WORDINGS)[iteration % 3 > 0 and iteration < BEST]
    return candidate(
        experiment_id=name,
        iteration=iteration,
        candidate=None if none else candidate_sha256(name, iteration),
        title=f"reply {iteration}" if none else f"idea {iteration}",
        origin="model" if model else "offline",
        operator=step.operator,
        parents=[candidate_sha256(name, parent) for parent in step.parents],
        source=None if none else source_of(name, iteration),
        outcome=step.outcome,
        score=round(step.score * lift, 3) if step.score else 0.1,
        validation_score=round(step.validation * lift, 3) if step.validation else None,
        improved=step.standing == "promoted",
        standing=step.standing,
        standing_detail=DETAILS.get(step.standing, ""),
        gap_percent=round(100 * (step.score / step.validation - 1), 1)
        if step.score and step.validation
        else None,
        problem=problem,
        problem_line=line,
        duplicate_of=f"{step.twin}/0" if step.twin else None,
        prompt_sha256=f"p-{wording}" if model else None,
        created_at=at(number, iteration),
        seconds=4.0 + iteration,
        cell_seconds=2.0,
    )


def tries(
    row: CandidateRow, step: Step, *, tested: bool, twin: int | None = None
) -> Iterator[EvaluationRow]:
    """The attempt on each scenario it was tried on; what is repeated has higher attempts."""
    means = {"train": step.score, "validation": step.validation}
    means["test"] = step.validation if tested else None
    behaviour = f"{row.experiment_id}-{row.iteration if twin is None else twin}-{row.slot}"
    for place, (title, (_, split, factor)) in enumerate(SCENARIOS.items()):
        mean = means[split]
        if mean is None:
            continue
        own = round(mean * (factor if step.outcome == "ok" and row.iteration else 1.0), 4)
        purposes = ["score", "repeat"] if place == 0 else ["score"]
        if split == "train" and row.validation_score is not None and row.iteration:
            purposes.append("elite")
        for number, purpose in enumerate(purposes):
            yield evaluation(
                experiment_id=row.experiment_id,
                iteration=row.iteration,
                slot=row.slot,
                scenario=title,
                attempt=number,
                purpose=purpose,
                candidate=row.candidate or "",
                split=split,
                outcome=row.outcome,
                score=own,
                cost=round(12.0 / own, 4),
                cost_unit="s",
                problem=row.problem,
                problem_line=row.problem_line,
                metrics=metrics(own) if step.outcome == "ok" else None,
                stats={"throughput": round(own / 2, 4)} if step.outcome == "ok" else None,
                policy_calls=100 + row.iteration,
                policy_cpu_seconds=round(0.01 * (1 + row.iteration), 2),
                decision_sha256=hashlib.sha256(f"{behaviour}-{title}".encode()).hexdigest()[:16],
                created_at=row.created_at,
            )


def metrics(score: float) -> dict[str, object]:
    """Metrics that get better with the score."""
    return {
        "oom_kills": round(10 / score),
        "oom_wasted_cpu_seconds": round(40 / score, 2),
        "memory_consumed_percent": round(30 * score, 2),
        "latency": {
            name: {"arrived": 20, "completed": 18, "mean": round(9 / score, 3)}
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


def happenings(name: str, number: int) -> Iterator[Row]:
    """The events of the search."""
    told: list[tuple[int, str, int | None, str]] = [(0, "started", None, "the search begins")]
    for iteration, step in enumerate(STEPS, start=1):
        kind = {"promoted": "new_best", "refused": "refused", "barred": "gap_alarm"}
        if step.standing:
            told.append((iteration, kind[step.standing], iteration, DETAILS[step.standing]))
    told.append((29, "test", None, "the best and the baselines were tried on test"))
    told.append((30, "finished", None, "all candidates were tried"))
    for sequence, (minute, what, place, message) in enumerate(told):
        yield event(
            experiment_id=name,
            sequence=sequence,
            kind=what,
            iteration=place,
            slot=None if place is None else 0,
            message=message,
            created_at=at(number, minute),
        )


def source_of(name: str, iteration: int) -> str:
    """A policy that differs from all others."""
    return (
        f"def step(s, results, pipelines):  # idea {iteration} of {name}\n"
        "    size = pipelines[0].size\n    return [], []\n"
    )


def candidate_sha256(name: str, iteration: int) -> str:
    return hashlib.sha256(source_of(name, iteration).encode()).hexdigest()


def day(number: int) -> str:
    return f"2026-03-0{number + 1}"


def at(number: int, minute: int) -> str:
    return f"{day(number)}T20:{minute:02d}:00+00:00"


if __name__ == "__main__":
    write_sample_history(Path(sys.argv[1]))
