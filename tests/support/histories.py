"""Reads histories as tests compare them: each key once, without what differs between runs."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.history.journal import journal_files, read_rows
from flows.history.records import CandidateRow, EvaluationRow


def essence(home: Path, experiment: str) -> dict[Any, Any]:
    """Return candidates and evaluations by key, without times, hosts and measured seconds."""
    kept: dict[Any, Any] = {}
    for row in read_rows(home, experiment):
        match row:
            case CandidateRow():
                kept["candidate", row.iteration, row.slot] = replace(
                    row, created_at="", seconds=0, cell_seconds=None
                )
            case EvaluationRow():
                key = ("evaluation", row.iteration, row.slot, row.scenario, row.attempt)
                kept[key] = replace(
                    row, created_at="", seconds=0, policy_cpu_seconds=0, host=None, engine=None
                )
            case _:
                pass
    return kept


def lines_of(home: Path, kind: str) -> list[dict[str, Any]]:
    """Return the journal's lines of one kind, each as often as it was written."""
    lines = []
    for path in journal_files(home):
        for text in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if text.endswith("\n") and f'"kind":"{kind}"' in text:
                lines.append(json.loads(text) | {"file": path.name})
    return lines


def candidates_by_process(home: Path) -> Counter[str]:
    """Return how many candidates each process recorded, by the number in its journal's name."""
    return Counter(line["file"].rsplit(".", 2)[1] for line in lines_of(home, "candidate"))
