"""Trials in real cells: what a caller gets, what it costs, and what is left behind."""

import re
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from sandbox.daemon import Daemon
from sandbox.errors import CellFailed, ImageMissing, SandboxUnavailable
from sandbox.outcome import Outcome
from sandbox.source import candidate_id
from sandbox.trial import Payload, Sandbox
from simulator.domain import Domain, find_domain
from tests.sandbox.callers import cells_of
from tests.support.cells import HONEST, TIGHT, small_scenario
from tests.support.domains import TOY_FOLDER, toy

SMALL = small_scenario()

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(TIGHT, slots=2) as opened:
        yield opened


def test_a_good_policy_is_measured_on_every_scenario(sandbox: Sandbox) -> None:
    trial = sandbox.try_policy(HONEST, [SMALL, small_scenario("again")])

    assert trial.outcome is Outcome.OK
    assert [one.scenario for one in trial.evaluations] == ["small", "again"]
    assert trial.candidate == candidate_id(HONEST)
    assert trial.cell is not None
    assert (trial.cell.isolation, trial.cell.runtime) == ("docker/full", "runc")


@pytest.mark.parametrize(
    ("source", "outcome", "line"),
    [
        ("", Outcome.MALFORMED, None),
        ("  \n", Outcome.MALFORMED, None),
        ("x = '\0'\n", Outcome.MALFORMED, None),
        ("x = '\ud800'\n", Outcome.MALFORMED, None),
        ("#" * 70_000, Outcome.MALFORMED, None),
        ("x = 1\ndef step(:\n", Outcome.LOAD_ERROR, 2),
        ("x = 1\nimport os\n", Outcome.REJECTED, 2),
    ],
)
def test_a_refused_source_starts_no_cell(
    sandbox: Sandbox, source: str, outcome: Outcome, line: int | None
) -> None:
    trial = sandbox.try_policy(source, [SMALL, small_scenario("again")])

    assert (trial.outcome, trial.cell) == (outcome, None)
    assert [one.outcome for one in trial.evaluations] == [outcome, outcome]
    assert {one.problem.line for one in trial.evaluations if one.problem} == {line}


def test_a_failure_names_the_line_and_shows_it(sandbox: Sandbox) -> None:
    source = HONEST.replace("s.waiting.extend(pipelines)", "s.waiting.extend(pipelines[0].nothing)")

    (ended,) = sandbox.try_policy(source, [SMALL]).evaluations

    assert ended.outcome is Outcome.POLICY_ERROR
    assert ended.problem is not None
    assert ended.problem.source_line == "s.waiting.extend(pipelines[0].nothing)"
    assert ended.problem.line == 8


def test_one_bad_scenario_does_not_hide_the_others(sandbox: Sandbox) -> None:
    source = HONEST.replace("s.waiting = []", "s.waiting = []\n    1 // (s.params['duration'] - 7)")
    scenarios = [small_scenario("a"), small_scenario("b", duration=7), small_scenario("c")]

    trial = sandbox.try_policy(source, scenarios)

    outcomes = [one.outcome for one in trial.evaluations]
    assert outcomes[0] is outcomes[2] is Outcome.OK
    assert outcomes[1] not in (Outcome.OK, None)
    assert trial.outcome is outcomes[1]


def test_two_threads_may_try_at_once(sandbox: Sandbox) -> None:
    outcomes: list[Outcome] = []

    def work() -> None:
        for _ in range(2):
            outcomes.append(sandbox.try_policy(HONEST, [SMALL]).outcome)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [Outcome.OK] * 4


def test_a_scenario_that_cannot_be_read_is_our_error(sandbox: Sandbox) -> None:
    with pytest.raises(CellFailed, match="not an encoded scenario"):
        sandbox.try_policy(HONEST, [Payload(name="broken", data=b"noise")])


def test_a_trial_without_scenarios_is_a_value_error(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="at least one scenario"):
        sandbox.try_policy(HONEST, [])


def test_the_weaker_isolation_works_and_is_named() -> None:
    with Sandbox(TIGHT, ready=False, isolation="one-uid") as weaker:
        trial, facts = weaker.try_with_facts(HONEST, [SMALL])

    assert trial.outcome is Outcome.OK
    assert trial.cell is not None
    assert trial.cell.isolation == "docker/one-uid"
    assert (facts["worker_uid"], facts["trusted_uid"]) == (64001, 64001)


def test_isolation_none_is_refused() -> None:
    with pytest.raises(ValueError, match="isolation is 'none', expected one of full, one-uid"):
        Sandbox(TIGHT, isolation="none")


@pytest.mark.parametrize(
    ("domain", "build"),
    [
        (find_domain(), "run `make image` to build it"),
        (toy(), f"run `assay image --domain {TOY_FOLDER}` to build it"),
    ],
)
def test_a_missing_image_says_how_to_build_it(domain: Domain, build: str) -> None:
    with (
        pytest.raises(ImageMissing, match=re.escape(build)),
        Sandbox(TIGHT, image="assay-sim:no-such-image", domain=domain),
    ):
        pass


def test_an_engine_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    with pytest.raises(SandboxUnavailable, match="no Docker engine answers"), Sandbox(TIGHT):
        pass


def test_a_cell_that_dies_while_it_waits_is_replaced() -> None:
    before = cells_of()
    with Sandbox(TIGHT) as own:
        own.prepare(1)
        own.settle()
        waiting = cells_of() - before
        assert waiting
        with closing(Daemon()) as daemon:
            for cell in waiting:
                daemon.remove(cell)

        assert own.try_policy(HONEST, [SMALL]).outcome is Outcome.OK
