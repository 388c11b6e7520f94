"""``assay doctor`` with the cells and the runtimes that it can be asked about."""

import json
from pathlib import Path

import pytest

from tests.support.command import assay


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
