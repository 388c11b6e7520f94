"""A real engine, started beside the running one on what looks like another machine."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.setup.fake_programs import ROOT

pytestmark = pytest.mark.timeout(700)
NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the engine script said on that machine, by situation."""
    log = tmp_path_factory.mktemp("engine") / "dockerd.log"
    script = ROOT / "tests" / "setup" / "fresh_machine.sh"
    done = subprocess.run(
        [*NAMESPACES, "bash", str(script), str(ROOT), str(log)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + _end_of(log)
    return dict(re.findall(r"^== (.*)\n((?:(?!==).*\n)*)", done.stdout, re.MULTILINE))


def _end_of(log: Path) -> str:
    return log.read_text()[-3000:] if log.exists() else ""


@pytest.mark.docker
def test_stale_files_do_not_keep_an_engine_from_starting(told: dict[str, str]) -> None:
    lines = told["a pid that another program has now, and a dead socket"].splitlines()

    assert lines[:2] == [
        "engine: removing /var/run/docker.pid, left by a daemon that is gone",
        "engine: removing /var/run/docker.sock, left by a daemon that is gone",
    ]
    assert lines[-1].startswith("engine: started a Docker engine (version ")


@pytest.mark.docker
def test_the_second_time_the_engine_is_just_used(told: dict[str, str]) -> None:
    (line,) = told["an engine that answers"].splitlines()

    assert line.startswith("engine: using the Docker engine that answers (version ")


@pytest.mark.docker
def test_a_user_without_permission_is_told_how_to_get_it(told: dict[str, str]) -> None:
    text = told["an engine that another user may not use"]

    assert "you may not use its socket /var/run/docker.sock" in text
    assert "usermod -aG docker" in text
    assert text.endswith("exit code 4\n")


@pytest.mark.docker
def test_a_killed_engine_is_started_again(told: dict[str, str]) -> None:
    text = told["an engine that was killed"]

    assert "engine: started a Docker engine (version " in text
    assert text.endswith("images: 0\n")
