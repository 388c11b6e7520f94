"""What a search remembers of an evaluation stays small, however much of it the history keeps."""

from flows.loop.ledger import Ledger
from tests.support.history_rows import candidate, evaluation


def test_a_search_does_not_hold_what_only_a_report_draws() -> None:
    drawn = {"timeline": {"allocated_cpu": [1.0] * 600}, "containers": [[0, 1]] * 300}
    metrics = {"weighted_latency_seconds": 2.0, **drawn}
    row = evaluation(attempt=0, split="train", metrics=metrics)
    ledger = Ledger([row])
    ledger.absorb(candidate(iteration=row.iteration, slot=row.slot))

    (attempt,) = ledger.attempts()
    (kept,) = attempt.evaluations

    assert kept.metrics == {"weighted_latency_seconds": 2.0}
    assert row.metrics == metrics
