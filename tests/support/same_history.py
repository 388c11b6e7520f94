"""What two histories of the same search must agree on: everything but times and run numbers."""

from pathlib import Path
from typing import Any

from flows.history.store import query

_TIMES = "created_at, recorded_at, recorded_in"
_QUESTIONS = {
    "experiments": "SELECT experiment_id, status, status_detail, seed, suite, objective, proposer, "
    "strategy, model, config, config_sha256, simulator_version, image_id FROM experiments",
    "scenarios": "SELECT * EXCLUDE (recorded_at, recorded_in) FROM scenarios",
    "candidates": f"SELECT * EXCLUDE ({_TIMES}, seconds, cell_seconds) FROM candidates",
    "evaluations": f"SELECT * EXCLUDE ({_TIMES}, seconds, policy_cpu_seconds) FROM evaluations",
    "prompts": "SELECT * EXCLUDE (recorded_at, recorded_in) FROM prompts",
    "llm_calls": f"SELECT * EXCLUDE ({_TIMES}, seconds, provider, attempt) FROM llm_calls "
    "WHERE outcome = 'ok'",
    # A run that goes on says so; the rest is told once, whoever tells it.
    "events": "SELECT kind, iteration, slot, message, detail FROM events "
    "WHERE kind NOT IN ('started', 'resumed', 'interrupted', 'attempt_lost')",
    # A report shows times, so that only its being there can be compared.
    "artifacts": "SELECT kind, path, CASE kind WHEN 'best_policy' THEN sha256 END FROM artifacts",
}


def essence(home: Path) -> dict[str, list[Any]]:
    """Return the rows of every table without what differs from run to run."""
    return {
        table: list(query(home, f"{question} ORDER BY ALL").rows)
        for table, question in _QUESTIONS.items()
    }


def assert_same_history(home: Path, undisturbed: Path) -> None:
    """Compare table by table, so that a failure names the rows that differ."""
    found, expected = essence(home), essence(undisturbed)
    for table, rows in expected.items():
        missing = [row for row in rows if row not in found[table]]
        extra = [row for row in found[table] if row not in rows]
        assert (missing, extra) == ([], []), table
        assert len(found[table]) == len(rows), table
