"""Held checks with many runs are put only to what is worse in none that has few."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.bootstrap.starter_files import write_starter
from flows.history.records import CandidateRow
from flows.judging.splits import suite_splits
from flows.search.loop import run_search
from flows.settings.search import load_config
from sandbox.outcome import Evaluation, Outcome, Trial
from sandbox.trial import Payload
from simulator.domain import BOOTSTRAP
from tests.support.search_fakes import FakeJournal, FakeProposer, proposal, services

SMALL, LARGE = "the same run twice", "the mean wait of M/M/1"
SOURCES = ("passes small", "passes large", "passes small large")


class Cells:
    """Lets a simulator pass the held checks that its source names, and all others."""

    def __init__(self) -> None:
        self.asked: dict[str, set[str]] = {}

    def last_trials(self) -> None: ...

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        self.asked.setdefault(source, set()).update(each.name for each in scenarios)
        evaluations = tuple(self._one(source, each.name) for each in scenarios)
        return Trial(candidate=source, outcome=Outcome.OK, evaluations=evaluations)

    def _one(self, source: str, name: str) -> Evaluation:
        wanted = {SMALL: "small", LARGE: "large"}.get(name, "passes")
        metrics: dict[str, Any] = {"passed": float(wanted in source), "runs": 1}
        return Evaluation(
            scenario=name, outcome=Outcome.OK, metrics=metrics, decision_sha256=source + name
        )


def test_what_is_worse_in_a_small_check_is_not_put_to_large_ones(tmp_path: Path) -> None:
    folder = tmp_path / "queue"
    write_starter(folder, "queue")
    laws = folder / "laws.toml"
    laws.write_text(laws.read_text().replace('split = "final"', 'split = "held"'))
    config = load_config(
        None, {"domain": f"{BOOTSTRAP}:{folder}", "budget.candidates": 3, "guards.test": False}
    )
    cells, journal = Cells(), FakeJournal()
    proposer = FakeProposer(lambda request: proposal(SOURCES[request.iteration - 1]))
    scenarios = suite_splits(config.suite, config.domain, config.policy_calls, None)
    fakes = services(proposer, sandbox=cells, journal=journal, scenarios=scenarios)

    run_search(config, fakes, conclude=lambda _: None)

    rows = {row.source: row for row in journal.rows if isinstance(row, CandidateRow)}
    first, worse, whole = (rows[source] for source in SOURCES)
    assert [LARGE in cells.asked[source] for source in SOURCES] == [True, False, True]
    assert (first.standing, worse.standing, whole.standing) == ("promoted", "refused", "promoted")
    assert worse.validation_score is None
    assert worse.standing_detail.endswith("; 1 were not tried any more"), worse.standing_detail
    assert whole.validation_score == 2.0
