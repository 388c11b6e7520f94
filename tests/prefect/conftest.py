"""One Prefect server for the tests of this folder in a row, with the shipped deployments on it.

It ends with the last of them: a server that waits works as well.
"""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.support.prefect_machine import PAGE, Machine, machine

_running: dict[str, Machine] = {}
_until_the_last = ExitStack()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the server after the last test of this folder."""
    here = Path(__file__).parent
    if nextitem is None or here not in nextitem.path.parents:
        _until_the_last.close()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A server as ``prefect server start`` makes it; flows of this process use it too."""
    if "bare" not in _running:
        _until_the_last.enter_context(_server(tmp_path_factory.mktemp("machine")))
    return _running["bare"]


@pytest.fixture
def deployed(server: Machine) -> Machine:
    """The server once somebody has typed what docs/prefect.md says of pool and deployments."""
    if "deployed" not in _running:
        [deploying] = [block for block in blocks(PAGE, "sh") if "deploy --all" in block.text]
        for line in deploying.lines():
            server.prefect(*shlex.split(line)[1:])
        _running["deployed"] = replace(server, typed=(*server.typed, *deploying.lines()))
    return _running["deployed"]


@contextmanager
def _server(folder: Path) -> Iterator[None]:
    before = dict(os.environ)
    with machine(folder) as running:
        os.environ.update(running.environment)
        _running["bare"] = running
        yield
        if "prefect" in sys.modules:  # flows ran in this process, with this server
            from prefect.logging.handlers import APILogHandler

            APILogHandler().flush()  # what is sent later would fail in the middle of another test
    _running.clear()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, which flows of this process use too."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("ASSAY_HOME", str(folder))
    return folder
