"""What a search remembers of an evaluation stays small, however much of it the history keeps."""

import tracemalloc
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from flows.history.journal import Journal, read_rows
from flows.history.records import EvaluationRow, Row
from flows.search.ledger import Ledger, recorded
from tests.support.history_rows import candidate, evaluation


def test_a_search_holds_thin_curves_and_nothing_else_that_a_report_draws() -> None:
    drawn = {"timeline": {"allocated_cpu": [1.0] * 600}, "containers": [[0, 1]] * 300}
    metrics = {"weighted_latency_seconds": 2.0, **drawn}
    row = evaluation(attempt=0, split="train", metrics=metrics)
    ledger = Ledger([row])
    ledger.absorb(candidate(iteration=row.iteration, slot=row.slot))

    (attempt,) = ledger.attempts()
    (kept,) = attempt.evaluations

    assert kept.metrics == {
        "weighted_latency_seconds": 2.0,
        "timeline": {"allocated_cpu": array("f", [1.0] * 40), "thinned_by": 15},
    }
    assert row.metrics == metrics


def test_nor_does_it_while_it_reads_what_it_continues(tmp_path: Path) -> None:
    drawn = {"timeline": {"queue": [0.5] * 20_000}, "containers": [[0, 1]] * 300}
    with Journal(tmp_path, "night") as journal:
        for iteration in range(1, 21):
            journal.append(evaluation(iteration=iteration, metrics={"jain": 1.0, **drawn}))

    whole, _ = most_held(lambda: list(read_rows(tmp_path, "night")))
    most, rows = most_held(lambda: recorded(tmp_path, "night"))

    kept = [row.metrics for row in rows if isinstance(row, EvaluationRow) and row.metrics]
    assert [list(each) for each in kept] == [["jain", "timeline"]] * 20
    assert most < whole / 4


def most_held(read: Callable[[], Sequence[Row]]) -> tuple[int, Sequence[Row]]:
    """Return the most memory that reading took at any moment, and what was read."""
    tracemalloc.start()
    try:
        rows = read()
        return tracemalloc.get_traced_memory()[1], rows
    finally:
        tracemalloc.stop()
