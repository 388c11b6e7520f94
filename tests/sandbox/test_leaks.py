"""Nothing is left of any cell, however its caller ends, and however many callers there are."""

import gc
import itertools
import resource
import secrets
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.daemon import Daemon
from sandbox.docker_cells import DockerCells
from sandbox.hardening import DEADLINE_LABEL, OWNER_LABEL
from sandbox.image import image_tag
from sandbox.outcome import Outcome
from sandbox.reaper import reap
from sandbox.trial import Sandbox
from simulator.cell.seal import SPLIT
from tests.sandbox.callers import PREPARED, TRYING, Caller, cells_of, until
from tests.support.cells import HONEST, TIGHT, small_scenario

SMALL = small_scenario()
WARM_UP = 4
KB_OF_GROWTH = 8_000
"""Of the caller, over all candidates; a leak of one report each would be several times as much."""

pytestmark = pytest.mark.docker


@pytest.mark.parametrize(
    ("doing", "number"),
    [
        pytest.param(
            doing,
            number,
            marks=pytest.mark.nightly if (doing == TRYING) == (number == signal.SIGTERM) else (),
            id=f"{'in a trial' if doing == TRYING else 'while waiting'}-{number.name}",
        )
        for doing in (PREPARED, TRYING)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    ],
)
def test_a_caller_that_is_ended_leaves_no_cell(doing: str, number: signal.Signals) -> None:
    """Cells that run end by themselves; one that was made but not started waits for the reaper."""
    with Caller(doing) as caller:
        caller.wait_until_ready()
        assert until(lambda: cells_of(caller.pid, running=True) != set())

        said = caller.end(number)

    assert until(lambda: cells_of(caller.pid, running=True) == set())
    assert until(lambda: not set(reap().removed) and not cells_of(caller.pid))
    assert ("KeyboardInterrupt" in said) == (number is signal.SIGINT)


def test_two_callers_on_one_engine_touch_their_own_cells_only() -> None:
    with Sandbox(TIGHT) as box:
        box.prepare(1)
        box.settle()
        ours = cells_of()
        with Caller(PREPARED) as other:
            other.wait_until_ready()
            theirs = cells_of(other.pid)

            removed = set(reap().removed)
            trial = box.try_policy(HONEST, [SMALL])
            box.settle()

            assert ours and theirs
            assert not removed & (ours | theirs)
            assert cells_of(other.pid) == theirs
        assert until(lambda: not cells_of(other.pid))
        assert trial.outcome is Outcome.OK
        assert cells_of() - ours


def test_a_container_orphaned_by_an_interrupt_is_removed_on_close() -> None:
    before = cells_of()
    cells = DockerCells(TIGHT, SPLIT)
    cells.open()
    kept = cells.start(1)  # open, so that it does not end by itself
    started = cells_of() - before

    cells.close()

    assert started
    assert not cells_of() & started
    kept.destroy()


@pytest.mark.parametrize("count", [8, pytest.param(40, marks=pytest.mark.nightly)])
def test_many_candidates_in_a_row_leave_nothing_behind(count: int) -> None:
    sources = [f"# candidate {number}\n{HONEST}" for number in range(count)]
    before = cells_of()
    with Sandbox(TIGHT, slots=2) as box:
        for source in sources[:WARM_UP]:
            box.try_policy(source, [SMALL])
        at_first = _open_files(box), _memory_kb()
        outcomes = {box.try_policy(source, [SMALL]).outcome for source in sources}
        at_last = _open_files(box), _memory_kb()
        assert len(cells_of() - before) <= 2

    assert outcomes == {Outcome.OK}
    assert at_last[0] <= at_first[0] + 2
    assert at_last[1] - at_first[1] < KB_OF_GROWTH
    assert cells_of() <= before


def _open_files(box: Sandbox) -> int:
    box.settle()
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def _memory_kb() -> int:
    """Return how much memory this process holds now, which unlike its peak can fall."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() // 1024


@pytest.fixture
def foreign() -> Iterator[list[str]]:
    """Ids of containers of other people, whose labels say that they are cells."""
    odd: list[dict[str, str]] = [
        {},
        {DEADLINE_LABEL: "²"},
        {DEADLINE_LABEL: "0", OWNER_LABEL: "1:1:other:1"},
    ]
    names = ["foreign-{}", "assay-cell-{}"]
    made = []
    with closing(Daemon()) as daemon:
        image = daemon.image_id(image_tag())
        for labels, form in itertools.product(odd, names):
            if form.startswith("assay") and OWNER_LABEL in labels:
                continue  # that one is ours
            made.append(form.format(secrets.token_hex(8)))
            daemon.create(made[-1], {"Image": image, "Labels": {"assay": "cell", **labels}})
        yield made
        for name in made:
            daemon.remove(name)


def test_containers_of_others_stay_whatever_their_labels_say(foreign: list[str]) -> None:
    with Sandbox(TIGHT) as box:
        assert box.try_policy(HONEST, [SMALL]).outcome is Outcome.OK
    reaped = reap()

    with closing(Daemon()) as daemon:
        assert [name for name in foreign if not daemon.exists(name)] == []
    told = "\n".join(reaped.skipped)
    assert [name for name in foreign if name not in told] == []
