"""Machines for the tests of the set-up, ended with each test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.setup.fake_programs import USER_ID, Machine

# Starting a real second engine takes root and an engine of this machine's own.
collect_ignore = (
    [] if os.geteuid() == 0 and shutil.which("dockerd") else ["test_engine_for_real.py"]
)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine on which the scripts are root, with neither an engine nor apt-get."""
    made = Machine(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def user_machine(tmp_path: Path) -> Iterator[Machine]:
    """The same, but the scripts are an ordinary user without sudo."""
    made = Machine(tmp_path, identity=USER_ID)
    yield made
    made.stop()
