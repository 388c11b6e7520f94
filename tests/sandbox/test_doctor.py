"""The doctor: well on a machine that holds cells, and not well where anything is missing."""

import json
from pathlib import Path

import pytest

from sandbox.doctor import Check, Report, canaries, examine
from sandbox.outcome import Evaluation, Outcome
from tests.support.command import assay


@pytest.fixture(
    scope="module", params=[pytest.param("docker", marks=pytest.mark.docker), "process"]
)
def report(request: pytest.FixtureRequest) -> Report:
    return examine(cell=request.param)


def test_this_machine_holds_its_cells(report: Report) -> None:
    assert report.ok, [check for check in report.checks if not check.ok]
    names = [check.name for check in report.checks]
    assert [f"canary {canary.name}" for canary in canaries()] == [
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


def test_the_doctor_names_the_isolation_that_an_embedded_cell_would_have(report: Report) -> None:
    (told,) = [check for check in report.checks if check.name == "embedded cell"]

    assert told.detail.startswith("--cell process would be process/")
    assert "no limit on the memory of a cell as a whole" in told.detail


def test_one_bad_check_is_enough_to_be_unwell() -> None:
    good, bad = (Check(name="x", ok=ok, detail="y") for ok in (True, False))

    assert Report(checks=(good, good)).ok
    assert not Report(checks=(good, bad)).ok


def test_a_canary_that_got_through_is_not_contained() -> None:
    (fork,) = [canary for canary in canaries() if canary.name == "fork"]

    def said(prints: str, outcome: Outcome = Outcome.OK) -> Evaluation:
        return Evaluation(scenario="canary", outcome=outcome, prints=prints)

    assert fork.is_contained(said("held: PermissionError\n"))
    assert not fork.is_contained(said("done\n"))
    assert not fork.is_contained(said("held: NameError\n"))
    assert not fork.is_contained(said("held: PermissionError\n", Outcome.WORKER_DIED))
    assert not fork.is_contained(said(""))


def test_embedded_cells_can_be_examined_without_an_engine(tmp_path: Path) -> None:
    done = assay("doctor", "--cell", "process", "--json", home=tmp_path, DOCKER_HOST="unix:///no")

    report = json.loads(done.stdout)
    names = [check["name"] for check in report["checks"]]
    assert (done.returncode, report["ok"]) == (0, True), done.stdout + done.stderr
    assert "canary fork" in names and "engine" not in names


@pytest.mark.docker
def test_a_runtime_that_the_engine_does_not_have_is_told(tmp_path: Path) -> None:
    done = assay("doctor", "--runtime", "kata", home=tmp_path)

    assert done.returncode == 4
    assert "it has no runtime 'kata'" in " ".join(done.stdout.split())
    assert "do not run untrusted policies here: see the failed checks above" in done.stdout


def test_a_runtime_for_embedded_cells_is_a_mistake(tmp_path: Path) -> None:
    done = assay("doctor", "--cell", "process", "--runtime", "kata", home=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "assay: --runtime kata is for --cell docker: leave one of them out\n"
