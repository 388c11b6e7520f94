"""What the kernel is asked before anyone is blamed: who sleeps, and who was killed for memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.cell.channel import KilledFromOutside, killed_for_memory
from simulator.cell.evidence import MemoryKills, is_asleep, memory_kills

NOTHING = MemoryKills(cell=None, machine=None)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "ascii")


def test_the_count_of_a_new_control_group_is_read(tmp_path: Path) -> None:
    write(tmp_path / "memory.max", "805306368\n")
    write(tmp_path / "memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n")

    assert memory_kills(tmp_path, tmp_path) == MemoryKills(cell=2, machine=None)


def test_the_count_of_an_old_control_group_is_read(tmp_path: Path) -> None:
    write(tmp_path / "memory/memory.limit_in_bytes", "805306368\n")
    write(tmp_path / "memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    write(tmp_path / "vmstat", "pgmajfault 77\noom_kill 5\n")

    assert memory_kills(tmp_path, tmp_path) == MemoryKills(cell=4, machine=5)


@pytest.mark.parametrize("limit", ["max", "9223372036854771712", ""])
def test_a_group_without_a_limit_is_not_the_cells_own(tmp_path: Path, limit: str) -> None:
    write(tmp_path / "memory.max", limit)
    write(tmp_path / "memory.events", "oom_kill 2\n")
    write(tmp_path / "memory/memory.limit_in_bytes", limit)
    write(tmp_path / "memory/memory.oom_control", "oom_kill 2\n")

    assert memory_kills(tmp_path, tmp_path) == NOTHING


def test_where_the_kernel_says_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert memory_kills(tmp_path, tmp_path) == NOTHING


def test_this_kernel_counts() -> None:
    assert memory_kills().machine is not None


def test_a_process_that_waits_is_asleep_and_one_that_works_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as waiting:
        while not is_asleep(waiting.pid):
            pass

    assert not is_asleep(os.getpid())


def test_a_kill_that_the_cell_counts_is_the_policys_memory() -> None:
    failure = killed_for_memory(
        MemoryKills(cell=1, machine=1), MemoryKills(cell=2, machine=2)
    ).failure

    assert failure.kind == "memory_limit"


def test_a_kill_that_nobody_explains_is_told_as_it_is() -> None:
    failure = killed_for_memory(NOTHING, NOTHING).failure

    assert failure.kind == "worker_died"
    assert failure.message.endswith("the kernel does not say why")


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (MemoryKills(cell=1, machine=2), "the machine ran out of memory"),
        (MemoryKills(cell=None, machine=2), "the machine ran out of memory"),
        (MemoryKills(cell=1, machine=1), "something outside the cell"),
    ],
)
def test_a_kill_from_elsewhere_is_our_fault(after: MemoryKills, told: str) -> None:
    with pytest.raises(KilledFromOutside, match=told):
        killed_for_memory(MemoryKills(cell=1, machine=1), after)
