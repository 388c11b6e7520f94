"""One Prefect server for all tests of this folder, with the shipped deployments on it."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.support.prefect_machine import PAGE, Machine, machine


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A server as ``prefect server start`` makes it; flows of this process use it too."""
    before = dict(os.environ)
    with machine(tmp_path_factory.mktemp("machine")) as running:
        os.environ.update(running.environment)
        yield running
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def deployed(server: Machine) -> Machine:
    """The server once somebody has typed what docs/prefect.md says of pool and deployments."""
    [deploying] = [block for block in blocks(PAGE, "sh") if "deploy --all" in block.text]
    for line in deploying.lines():
        server.prefect(*shlex.split(line)[1:])
    return replace(server, typed=(*server.typed, *deploying.lines()))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, which flows of this process use too."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("ASSAY_HOME", str(folder))
    return folder
