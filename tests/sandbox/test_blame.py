"""Who is charged when the kernel or another process kills a policy's process."""

import os
import signal
import threading
import time

import pytest

from sandbox.errors import CellFailed
from sandbox.limits import MB, Limits
from sandbox.outcome import Outcome
from sandbox.trial import Sandbox
from tests.sandbox.callers import until
from tests.sandbox.test_process_cells import enclosures_of, processes
from tests.support.cells import TIGHT, small_scenario

SMALL = small_scenario()
SPIN = "while True: pass\n"
SPUN_SECONDS = 0.5
HOARD = "kept = []\nwhile True: kept.append(b'x' * (1 << 20))\n"


class Cramped(Limits):
    """A container that is smaller than what its policy may use."""

    def container_memory_bytes(self, per_scenario: int = 1) -> int:
        return 160 * MB


@pytest.mark.docker
def test_an_out_of_memory_kill_in_the_cell_is_charged_to_the_policy() -> None:
    with Sandbox(Cramped(memory_mb=1024), ready=False) as box:
        (ended,) = box.try_unscreened(HOARD, [SMALL]).evaluations

    assert ended.outcome is Outcome.MEMORY_LIMIT, ended
    assert ended.problem is not None
    assert ended.problem.message == "the kernel killed the policy's process for its memory"


def test_a_kill_from_outside_the_cell_is_not_charged_to_the_policy() -> None:
    limits = TIGHT.model_copy(update={"call_cpu_seconds": 60.0, "policy_cpu_seconds": 60.0})
    errors: list[CellFailed] = []

    def spin() -> None:
        try:
            box.try_unscreened(SPIN, [SMALL])
        except CellFailed as error:
            errors.append(error)

    with Sandbox(limits, cell="process", ready=False) as box:
        others = workers_of(os.getpid())
        work = threading.Thread(target=spin)
        work.start()
        assert until(lambda: any(map(is_spinning, workers_of(os.getpid()) - others)))
        (worker,) = workers_of(os.getpid()) - others
        os.kill(worker, signal.SIGKILL)
        work.join()

    (error,) = errors
    assert "something outside the cell killed the process of a policy" in str(error)


def is_spinning(pid: int) -> bool:
    """Tell whether a process used more CPU time than it takes to become a sealed worker."""
    return time.clock_gettime((~pid << 3) | 2) > SPUN_SECONDS  # the number of its CPU clock


def workers_of(pid: int) -> set[int]:
    """Return the processes that run a policy: those below the trusted one of each cell."""
    parents = {one: parent for one, (parent, _) in processes()}
    trusted = {one for one, parent in parents.items() if parent in enclosures_of(pid)}
    return {one for one, parent in parents.items() if parent in trusted}
