"""``assay doctor`` passes on a machine that can run cells and fails where anything is missing."""

import json
from pathlib import Path

import pytest

from sandbox.doctor import Canary, Check, Report, canaries, canary_check, examine
from sandbox.outcome import Evaluation, Outcome
from simulator.domains.pipelines.cell import IDLE_POLICY
from tests.support.command import NO_ENGINE, assay


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("process", marks=pytest.mark.nightly),  # typed as its page has it by day
    ],
)
def report(request: pytest.FixtureRequest) -> Report:
    """All checks of a kind of cell; those of embedded ones are made where no engine answers."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "process":
            patch.setenv("DOCKER_HOST", NO_ENGINE)
        return examine(cell=request.param)


def test_every_check_passes_on_this_machine(report: Report) -> None:
    assert report.ok, [check for check in report.checks if not check.ok]
    names = [check.name for check in report.checks]
    assert [f"canary {canary.name}" for canary in canaries(IDLE_POLICY)] == [
        name for name in names if name.startswith("canary ")
    ]
    assert {"embedded cell", "protections in force"} <= set(names)
    json.dumps(report.to_mapping())


def test_without_an_engine_the_doctor_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")

    report = examine()

    assert not report.ok
    (bad,) = [check for check in report.checks if not check.ok]
    assert "no Docker engine answers" in bad.detail
    assert bad.remedy


def test_the_report_says_how_an_embedded_cell_would_be_isolated(report: Report) -> None:
    (told,) = [check for check in report.checks if check.name == "embedded cell"]

    assert told.detail.startswith("--cell process runs here without Docker, as process/")
    assert "memory is limited for each policy, not for the whole cell" in told.detail


def test_one_failed_check_fails_the_report() -> None:
    good, bad = (Check(name="x", ok=ok, detail="y") for ok in (True, False))

    assert Report(checks=(good, good)).ok
    assert not Report(checks=(good, bad)).ok


def _fork() -> Canary:
    (fork,) = [canary for canary in canaries(IDLE_POLICY) if canary.name == "fork"]
    return fork


def _ended(prints: str, outcome: Outcome = Outcome.OK) -> Evaluation:
    return Evaluation(scenario="canary", outcome=outcome, prints=prints)


def test_a_canary_is_blocked_only_by_the_expected_error_and_outcome() -> None:
    fork = _fork()

    assert fork.is_blocked(_ended("blocked: PermissionError\n"))
    assert not fork.is_blocked(_ended("not blocked\n"))
    assert not fork.is_blocked(_ended("blocked: NameError\n"))
    assert not fork.is_blocked(_ended("blocked: PermissionError\n", Outcome.WORKER_DIED))
    assert not fork.is_blocked(_ended(""))


def test_a_canary_says_in_a_sentence_whether_it_was_blocked() -> None:
    good = canary_check(_fork(), _ended("blocked: PermissionError\n"))
    bad = canary_check(_fork(), _ended("not blocked\n"))

    assert (good.ok, good.detail) == (True, "blocked: a child process (PermissionError)")
    assert (bad.ok, bad.detail) == (
        False,
        "not blocked: a child process (expected PermissionError; got outcome ok, 'not blocked')",
    )
    assert bad.remedy == "do not run untrusted policies here; see assay docs security"


@pytest.mark.docker
def test_a_runtime_that_the_engine_does_not_have_is_an_error(tmp_path: Path) -> None:
    done = assay("doctor", "--runtime", "kata", home=tmp_path)

    assert done.returncode == 4
    assert "it has no runtime 'kata'" in " ".join(done.stdout.split())
    assert "do not run untrusted policies here: see the failed checks above" in done.stdout


def test_a_runtime_cannot_be_named_for_embedded_cells(tmp_path: Path) -> None:
    done = assay("doctor", "--cell", "process", "--runtime", "kata", home=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "assay: --runtime kata is for --cell docker: leave one of them out\n"
