"""The start of an embedded cell: walls where the kernel grants them, and nothing left over."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.cell.enclosure import COMBINATIONS, WALLS
from simulator.cell.pid1 import EXIT_FAULT, EXIT_IDLE
from tests.support.cells import ROOT

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
LOSE_ALL_RIGHTS = "from simulator.cell import kernel, seal; seal.drop_capabilities(); "


def enclosure(*arguments: str, before: str = "") -> subprocess.Popen[bytes]:
    program = f"{before}import sys; from simulator.cell.enclosure import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-s", "-P", "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=ENVIRONMENT,
    )


def said(*arguments: str, before: str = "") -> tuple[int, bytes, bytes]:
    with enclosure(*arguments, before=before) as process:
        stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr


def test_a_probe_tells_the_strongest_walls_and_harms_nothing() -> None:
    interfaces = sorted(Path("/sys/class/net").iterdir())

    code, stdout, _ = said("--probe")

    granted = json.loads(stdout)
    assert code == 0
    assert tuple(granted["walls"]) in COMBINATIONS
    assert isinstance(granted["split"], bool)
    assert sorted(Path("/sys/class/net").iterdir()) == interfaces


def test_a_user_without_rights_gets_no_users_to_split() -> None:
    code, stdout, _ = said("--probe", before=LOSE_ALL_RIGHTS)

    assert code == 0
    assert json.loads(stdout)["split"] is False


def test_a_wall_that_does_not_exist_is_refused() -> None:
    code, _, stderr = said("--walls", "moat")

    assert code == 2
    assert b"wall 'moat' is unknown, expected some of user, mount, pid" in stderr


def test_a_wall_that_is_not_granted_is_an_error_not_a_gap() -> None:
    code, stdout, stderr = said("--walls", "net", before=LOSE_ALL_RIGHTS)

    assert (code, stdout) == (1, b"")
    assert b"unshare(0x40000000)" in stderr


def test_the_exit_code_is_that_of_the_trusted_process() -> None:
    idle = ("--isolation", "one-uid", "--idle-seconds", "0.2")
    # communicate() would close the standard input, which is another way to end.
    with enclosure("--", *idle) as process:
        assert process.wait(timeout=120) == EXIT_IDLE


def test_the_end_of_the_input_is_the_end_of_the_cell() -> None:
    code, stdout, stderr = said("--", "--isolation", "one-uid")

    assert (code, stdout) == (EXIT_FAULT, b"")
    assert b"EOFError" in stderr


@pytest.mark.parametrize("walls", COMBINATIONS, ids="-".join)
def test_every_combination_is_made_of_known_walls(walls: tuple[str, ...]) -> None:
    assert set(walls) <= set(WALLS)
    assert ("pid" in walls) <= ("mount" in walls)
