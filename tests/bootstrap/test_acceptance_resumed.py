"""Stopped after any row, what accepts a simulator goes on there: nothing is lost or done twice."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from flows.attempt import ProposalRequest
from flows.bootstrap import accept
from flows.bootstrap.starter_files import write_starter
from flows.history.records import EventRow, Row
from flows.judging.splits import suite_splits
from flows.search.loop import run_search
from flows.settings.search import load_config
from sandbox.outcome import Evaluation, Outcome, Trial
from sandbox.trial import Payload
from simulator.bootstrap import calibration
from simulator.bootstrap.check_spec import Measure
from simulator.bootstrap.scenario import check_from
from simulator.domain import BOOTSTRAP
from tests.flows.test_search_resume import InterruptedJournal, essence
from tests.support.search_fakes import CELL, FakeJournal, FakeProposer, proposal, services

RIGHT = (Path(__file__).parent / "policies" / "right.py").read_text()
MUTANTS = 6
KEPT = ("short runs", "random decisions that", "the same run twice", "a job that ends")
FIGURES = [f"busy,{seed},fifo,mean_delay,{100 * seed + 60_000},0" for seed in range(1, 5)]


class Cells:
    """Lets the right simulator pass and its mutants fail, half of them; measures at once."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        self.tried.append(source)
        ended = tuple(self._one(source, check_from(each.data)) for each in scenarios)
        return Trial(candidate=name_of(source), outcome=Outcome.OK, evaluations=ended, cell=CELL)

    def last_trials(self) -> None: ...

    def _one(self, source: str, scenario: Any) -> Evaluation:
        passes = source == RIGHT or (int(name_of(source)[0], 16) % 2 == 0 and "heapq" in source)
        metrics: dict[str, Any] = {"passed": float(passes), "verdict": "pass", "runs": 1}
        if isinstance(scenario.check, Measure):
            overhead = scenario.check.set["overhead"]
            metrics["figures"] = {
                str(seed): {"mean_delay": 100.0 * seed + overhead} for seed in scenario.check.seeds
            }
        return Evaluation(
            scenario=scenario.name,
            outcome=Outcome.OK,
            metrics=metrics,
            decision_sha256=name_of(f"{source} {scenario.name}"),
            policy_cpu_seconds=0.25,
        )


def name_of(source: str) -> str:
    return sha256(source.encode()).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with four checks, one of them final, and figures to calibrate by."""
    found = tmp_path_factory.mktemp("systems") / "queue"
    write_starter(found, "queue")
    head, *checks = (found / "laws.toml").read_text().split("[[checks]]\n")
    kept = [each for each in checks if any(f'name = "{name}' in each for name in KEPT)]
    kept[2] = kept[2].replace('split = "held"', 'split = "final"')
    laws = "[[checks]]\n".join([f"mutants = {MUTANTS}\n{head}", *kept])
    (found / "laws.toml").write_text(laws)
    figures = "\n".join(["generator,seed,policy,figure,value,spread", *FIGURES])
    (found / "figures.csv").write_text(figures + "\n")
    return found


@pytest.fixture(autouse=True)
def few_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "GENERATIONS", 4)


def run(folder: Path, earlier: Sequence[Row], journal: FakeJournal) -> Cells:
    """Search, and accept what is right, writing to a journal; return what was tried."""
    config = load_config(
        None,
        {"domain": f"{BOOTSTRAP}:{folder}", "budget.candidates": 3, "slots": 2, "name": "queue"},
    )
    cells = Cells()
    proposer = FakeProposer(proposed)
    scenarios = suite_splits(config.suite, config.domain, config.policy_calls, None)
    changes = {
        "scenarios": scenarios,
        "journal": journal,
        "earlier": tuple(earlier),
        "sandbox": cells,
    }
    run_search(config, services(proposer, **changes), conclude=accept.accept)
    return cells


def proposed(request: ProposalRequest) -> Any:
    return proposal(RIGHT if request.slot else f"# {request.iteration}")


@cache
def whole(folder: Path) -> list[Row]:
    journal = FakeJournal()
    run(folder, (), journal)
    return journal.rows


def steps_of(rows: Sequence[Row]) -> Counter[tuple[str, int]]:
    events = [each for each in rows if isinstance(each, EventRow)]
    return Counter(
        (str(each.detail["step"]), each.detail.get("number", -1))
        for each in events
        if each.kind in (accept.ACCEPTANCE, accept.STEP)
    )


def first_of(rows: Sequence[Row]) -> int:
    """Return the place of the first row about what follows the search."""
    return next(
        place
        for place, row in enumerate(rows)
        if isinstance(row, EventRow) and row.kind in (accept.ACCEPTANCE, accept.STEP)
    )


def test_an_undisturbed_run_has_every_step_once(folder: Path) -> None:
    steps = steps_of(whole(folder))

    assert set(steps.values()) == {1}
    assert [number for step, number in steps if step == "mutant"] == list(range(1, MUTANTS + 1))
    assert len([number for step, number in steps if step == "generation"]) > 2
    assert {step for step, _ in steps} >= {"adequacy", "calibration", "accepted"}


@pytest.mark.parametrize("interrupted", [False, True], ids=["killed", "ctrl-c"])
def test_stopped_after_any_row_it_ends_with_the_same_history(
    folder: Path, interrupted: bool
) -> None:
    rows = whole(folder)

    differing = []
    for kept in range(first_of(rows) - 4, len(rows) - 1):  # what has its end is not run again
        earlier = list(rows[:kept])
        if interrupted:
            journal: FakeJournal = InterruptedJournal(kept)
            with pytest.raises(KeyboardInterrupt):
                run(folder, (), journal)
            earlier = journal.rows
        recorded = {number for step, number in steps_of(earlier) if step == "mutant"}
        rest = FakeJournal()
        cells = run(folder, earlier, rest)
        after = [*earlier, *rest.rows]
        mutants = [each for each in cells.tried if each != RIGHT and "heapq" in each]
        twice = any(count > 1 for count in steps_of(after).values())
        again = len(set(mutants)) > MUTANTS - len(recorded)
        if essence(after) != essence(rows) or twice or again:
            differing.append(kept)

    assert not differing, f"{len(differing)} of {len(rows)} cuts differ"
