"""Writes the report of one experiment: history in, one HTML file out."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import MISSING, fields
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from flows.errors import UserError
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
from flows.history.store import query
from flows.home import experiment_folder
from flows.report.data import ReportData, in_order, pick_best
from flows.report.page import render
from flows.report.view import build_view

R = TypeVar("R")

JSON_FIELDS = {
    "config",
    "params",
    "baseline_stats",
    "baseline_metrics",
    "findings",
    "parents",
    "metrics",
    "stats",
    "messages",
    "detail",
}


class ReportError(UserError):
    """A report that cannot be written; the message says why and what to do."""


def write_report(home: Path, experiment_id: str, out: Path | None = None) -> Path:
    """Write the page and return its path; an existing page is replaced in one step."""
    page = render(build_view(load(home, experiment_id)))
    path = out if out is not None else experiment_folder(home, experiment_id) / "report.html"
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):  # the folder may be one in which nothing can be changed
            partial.unlink(missing_ok=True)
        raise ReportError(
            f"report {path} cannot be written: {error.strerror or error}; "
            "name another file or make the folder writable"
        ) from error
    return path


def load(home: Path, experiment_id: str) -> ReportData:
    """Read the rows of one experiment; figures only where the page shows them."""
    known = [str(row[0]) for row in query(home, "SELECT experiment_id FROM experiments").rows]
    if experiment_id not in known:
        raise ReportError(_unknown(home, experiment_id, known))
    experiment = _rows(home, ExperimentRow, "experiments", experiment_id)[0]
    candidates = _rows(home, CandidateRow, "candidates", experiment_id, "iteration, slot")
    best = pick_best(candidates)
    best_slot = (best.iteration, best.slot) if best else (-1, -1)
    slim = (
        "SELECT * EXCLUDE (metrics, stats), "
        "CASE WHEN shown THEN metrics END AS metrics, CASE WHEN shown THEN stats END AS stats "
        "FROM (SELECT *, attempt = 0 AND (iteration = 0 OR (iteration = ? AND slot = ?)) AS shown "
        "FROM evaluations WHERE experiment_id = ?) ORDER BY iteration, slot, scenario, attempt"
    )
    return ReportData(
        experiment=experiment,
        scenarios=in_order(_rows(home, ScenarioRow, "scenarios", experiment_id)),
        candidates=tuple(candidates),
        evaluations=tuple(_read(home, EvaluationRow, slim, (*best_slot, experiment_id))),
        calls=tuple(
            _rows(home, LlmCallRow, "llm_calls", experiment_id, "iteration, slot, attempt")
        ),
        prompts=tuple(_read(home, PromptRow, PROMPTS, (experiment_id,) * 2)),
        events=tuple(_rows(home, EventRow, "events", experiment_id, "sequence")),
        artifacts=tuple(_rows(home, ArtifactRow, "artifacts", experiment_id, "created_at")),
    )


PROMPTS = """
    SELECT * FROM prompts WHERE prompt_sha256 IN (
        SELECT prompt_sha256 FROM candidates WHERE experiment_id = ?
        UNION SELECT prompt_sha256 FROM llm_calls WHERE experiment_id = ?
    ) ORDER BY prompt_sha256
"""


def _rows(
    home: Path, kind: type[R], table: str, experiment_id: str, order: str = "experiment_id"
) -> list[R]:
    sql = f"SELECT * FROM {table} WHERE experiment_id = ? ORDER BY {order}"
    return _read(home, kind, sql, (experiment_id,))


def _read(home: Path, kind: type[R], sql: str, params: Sequence[object]) -> list[R]:
    table = query(home, sql, params, refresh=False)
    known = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    return [
        kind(
            **{
                column: _value(column, value)
                for column, value in zip(table.columns, row, strict=True)
                if column in known and (value is not None or known[column] is MISSING)
            }
        )
        for row in table.rows
    ]


def _value(column: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if column in JSON_FIELDS and isinstance(value, str):
        return json.loads(value)
    return value


def _unknown(home: Path, experiment_id: str, known: Sequence[str]) -> str:
    near = get_close_matches(experiment_id, known, n=1) or known[-1:]
    hint = f"did you mean {near[0]!r}?" if near else "start one with: assay run"
    return f"experiment {experiment_id!r} is not in the history of {home}; {hint}"
