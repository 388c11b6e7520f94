"""Mutants that never end are stopped soon after the time that the right simulator took."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.bootstrap.examination import Pace, adequacy, adequacy_record, for_mutants
from flows.bootstrap.starter_files import write_starter
from flows.judging.splits import suite_splits
from flows.search.session import Session
from flows.settings.search import load_config
from sandbox.outcome import Evaluation, Outcome, Trial
from sandbox.trial import Sandbox
from simulator.bootstrap.mutants import Mutant
from simulator.bootstrap.scenario import CheckScenario, check_from
from simulator.domain import BOOTSTRAP, Domain, find_domain
from simulator.suites import load_suite
from tests.support.sealed import payload
from tests.support.search_fakes import FakeProposer, better_each_time, services

RIGHT = (Path(__file__).parent / "policies" / "right.py").read_text()
ENDLESS = {
    "in one call": RIGHT.replace("    while coming:\n", "    while True:\n        continue\n"),
    "turn after turn": RIGHT.replace(
        "    while coming:\n", "    while True:\n        yield\n        continue\n"
    ),
}


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Domain:
    folder = tmp_path_factory.mktemp("systems") / "queue"
    write_starter(folder, "queue")
    return find_domain(f"{BOOTSTRAP}:{folder}")


def of_runs(seconds: float, runs: int) -> Evaluation:
    return Evaluation(
        scenario="s", outcome=Outcome.OK, metrics={"runs": runs}, policy_cpu_seconds=seconds
    )


def shown(domain: Domain) -> list[CheckScenario]:
    found: list[Any] = list(load_suite(domain.spec.suite, domain).split("train"))
    return found[:2]


def test_a_mutant_has_a_generous_multiple_of_the_time_of_a_run() -> None:
    pace = Pace()

    assert pace.of_run(of_runs(3.0, 20)) == pytest.approx(1.5)
    assert pace.of_run(of_runs(0.02, 1)) == pace.of_run(None) == 0.5


def test_dear_checks_are_asked_only_where_they_could_still_change_the_record(
    domain: Domain,
) -> None:
    suite = load_suite(domain.spec.suite, domain)
    checks: list[Any] = [*suite.split("train")[:2], *suite.split("validation")[:2]]
    cost = dict(zip([each.name for each in checks], (0.1, 0.2, 0.3, 9.0), strict=True))
    ended = {name: of_runs(seconds, 1) for name, seconds in cost.items()}
    parts = for_mutants(checks, ended, Pace())
    first, second, third, dear = cost
    asked: list[str] = []

    def tried(source: str, _label: str, checks: Any) -> Trial:
        asked.extend(f"{source}: {each.name}" for each in checks)
        noticed = {"a": (first,), "b": (first, second), "c": (first, third)}[source]
        evaluations = tuple(
            replace(of_runs(0, 1), scenario=each.name, metrics={"passed": each.name not in noticed})
            for each in checks
        )
        return Trial(candidate="", outcome=Outcome.OK, evaluations=evaluations)

    mutants = [Mutant(source=each, line=1, change="") for each in "abc"]
    tested = adequacy(parts, mutants, tried, lambda run, items: [run(each) for each in items])

    assert [[each.name for each in part] for part in parts] == [[first, second, third], [dear]]
    assert [each for each in asked if each.endswith(dear)] == [f"a: {dear}", f"b: {dear}"]
    assert adequacy_record(tested, [third, dear], None) == {
        "made": 3,
        "killed": 3,
        "killed_by_held": 1,
        "score": 1.0,
        "survivors": [],
        "only_one_check_noticed": {first: 1},
    }


@pytest.mark.slow
@pytest.mark.parametrize("how", ENDLESS)
def test_what_never_ends_fails_every_check_after_a_short_time(domain: Domain, how: str) -> None:
    (asked,) = for_mutants(shown(domain), {}, Pace())

    with Sandbox(cell="process", domain=domain) as box:
        trial = box.try_policy(ENDLESS[how], [payload(domain, each) for each in asked])

    assert len(trial.evaluations) == 2
    for each in trial.evaluations:
        assert each.metrics is not None
        assert each.metrics["passed"] == 0
        assert each.policy_cpu_seconds < 1.5
    if how == "in one call":
        assert each.metrics is not None
        assert each.metrics["reason"] == "a run took more than 0.5 CPU seconds"


def test_a_check_for_a_mutant_reaches_the_cell_as_it_is(domain: Domain) -> None:
    checks = shown(domain)
    config = load_config(None, {"domain": domain.setting})
    scenarios = suite_splits(config.suite, config.domain, config.policy_calls, None)
    fakes = services(FakeProposer(better_each_time), scenarios=scenarios)
    session = Session(config, fakes, lambda _: None)
    before = session.payloads(checks)

    after = session.payloads([replace(each, shrink=False) for each in checks])

    assert [check_from(each.data).shrink for each in (*before, *after)] == [True] * 2 + [False] * 2
    assert session.payloads(checks) == before
