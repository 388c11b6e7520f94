"""A history of many made-up searches, and ``assay view`` over it in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from flows.history.journal import Journal
from flows.history.records import CandidateRow, Row
from flows.report.data import ReportData
from tests.support.history_rows import call, candidate, evaluation, experiment, remember, scenario

BEGAN = datetime(2026, 3, 1, 8, tzinfo=UTC)
SUITES = ("smoke", "mixed", "paper")
MODELS = (None, "small-model", "large-model")
STATES = ("finished", "budget_exhausted", "finished", "interrupted", "running")
FAILURES = ("policy_error", "timeout", "invalid_decision")


def remember_many(home: Path, experiments: int, attempts: int, scenarios: int) -> None:
    """Write the journals of so many searches, each with so many attempts and scenarios."""
    for number in range(experiments):
        with Journal(home, f"search-{number}") as journal:
            journal.append_all(list(search(number, attempts, scenarios)))


def search(number: int, attempts: int, scenarios: int) -> Iterator[Row]:
    """Yield the rows of one search: a baseline, attempts that slowly get better, some that fail."""
    name, suite = f"search-{number}", SUITES[number % 3]
    state, model = STATES[number % 5], MODELS[number % 3]
    began = BEGAN + timedelta(hours=3 * number)
    yield experiment(
        experiment_id=name,
        name=f"night {number}",
        created_at=began.isoformat(),
        finished_at=None
        if state == "running"
        else (began + timedelta(minutes=attempts)).isoformat(),
        status=state,
        suite=suite,
        model=model,
        proposer="openai" if model else "offline",
        seed=number,
    )
    for place in range(scenarios):
        yield scenario(
            experiment_id=name,
            scenario=f"{suite}-{place}",
            split=_split(place),
            sha256=sha256(f"{suite} {place}".encode()).hexdigest(),
        )
    best = 0.0
    for attempt in range(attempts + 1):
        score = 1.0 + (attempt * 37 + number * 11) % 101 / 100 if attempt else 1.0
        improved = attempt % 6 != 5 and score > best
        best = score if improved else best
        moment = (began + timedelta(minutes=attempt)).isoformat()
        row = _attempt(number, attempt, score, improved, moment)
        yield row
        for place in range(scenarios):
            yield evaluation(
                experiment_id=name,
                iteration=attempt,
                scenario=f"{suite}-{place}",
                split=_split(place),
                candidate=row.candidate or "",
                outcome=row.outcome,
                score=row.score,
                created_at=moment,
            )
        if model and attempt:
            dear = None if attempt % 9 == 8 else 0.03
            yield call(
                experiment_id=name,
                iteration=attempt,
                model=model,
                created_at=moment,
                cost_usd=0.002 if model.startswith("small") else dear,
            )


def _attempt(number: int, attempt: int, score: float, improved: bool, moment: str) -> CandidateRow:
    source = f"# attempt {attempt} of search {number}\n" + "x = 1  # a line\n" * 40
    failed = attempt % 6 == 5
    origin = "model" if MODELS[number % 3] else "offline"
    return candidate(
        experiment_id=f"search-{number}",
        iteration=attempt,
        candidate=sha256(source.encode()).hexdigest(),
        title=f"variation {attempt}" if attempt else "naive",
        source=source,
        origin=origin if attempt else "baseline",
        operator="mutate" if attempt else "baseline",
        outcome=FAILURES[(attempt + number) % 3] if failed else "ok",
        problem=f"something went wrong in line {attempt}" if failed else None,
        score=0.4 if failed else score,
        validation_score=score * 0.95 if improved else None,
        improved=improved,
        standing="promoted" if improved else "",
        created_at=moment,
    )


def _split(place: int) -> str:
    return ("train", "validation", "test")[min(place, 2)]


def remember_report(home: Path, data: ReportData, experiment_id: str, **changes: Any) -> None:
    """Write the rows of a report's data to the journal of an experiment of that id."""

    def moved(row: Any) -> Any:
        known = {each.name for each in fields(row)}
        more = changes if row is data.experiment else {}
        ours = {"experiment_id": experiment_id} if "experiment_id" in known else {}
        return replace(row, **more, **ours)

    parts = (data.scenarios, data.candidates, data.evaluations, data.calls, data.prompts)
    rows = [
        data.experiment,
        *(row for part in (*parts, data.events, data.artifacts) for row in part),
    ]
    remember(home, [moved(row) for row in rows], experiment_id)


@contextmanager
def serving(home: Path, *options: str, **variables: str) -> Iterator[tuple[str, int]]:
    """Yield the address that ``assay view`` prints, on a free port, and its process id."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    started = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "view", "--port", "0", *options],
        env={**kept, "ASSAY_HOME": str(home), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr is not None
    try:
        said = next(line for line in iter(started.stderr.readline, "") if " is at http" in line)
        yield said.split(" is at ")[1].split(";")[0], started.pid
    finally:
        started.terminate()
        started.communicate(timeout=60)
