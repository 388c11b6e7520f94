"""Embedded cells: the same trials without a container, and no process left of any of them."""

import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.errors import CellFailed, SandboxUnavailable, TrialStopped
from sandbox.outcome import Outcome, Place
from sandbox.process_cells import ProcessCell, ProcessCells, environment
from sandbox.trial import Payload, Sandbox, Stop
from tests.sandbox.callers import until
from tests.support.cells import HONEST, ROOT, TIGHT, small_scenario, try_in_process

SMALL = small_scenario()
SPIN = "while True: pass\n"
LOSE_ALL_RIGHTS = "from simulator.cell import seal\nseal.drop_capabilities()\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(TIGHT, slots=2, cell="process") as opened:
        yield opened


def test_a_good_policy_is_measured_on_every_scenario(sandbox: Sandbox) -> None:
    trial, facts = sandbox.try_with_facts(HONEST, [SMALL, small_scenario("again")])

    assert trial.outcome is Outcome.OK
    assert [one.scenario for one in trial.evaluations] == ["small", "again"]
    assert trial.cell is not None
    assert trial.cell.isolation.startswith(f"process/{facts['asked']}")
    assert trial.cell.image_id.startswith("installed:")
    info = sandbox.info()
    place = Place(**{name: info[name] for name in ("host", "engine", "image_id", "isolation")})
    assert {one.place for one in trial.evaluations} == {place}
    assert (place.host, place.engine) == (platform.node(), "none")
    assert (facts["worker_seccomp"], facts["own_filter"]) == (2, True)


def test_the_figures_equal_those_of_an_in_process_run(sandbox: Sandbox) -> None:
    (ended,) = sandbox.try_policy(HONEST, [SMALL]).evaluations
    alone = try_in_process(HONEST, [SMALL]).tried[0]

    assert (ended.metrics, ended.stats) == (alone.metrics, alone.stats)
    assert ended.decision_sha256 == alone.decision_sha256


def test_a_host_may_be_given_a_name_for_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOST", "rack-3")

    with Sandbox(TIGHT, ready=False, cell="process") as opened:
        (ended,) = opened.try_policy(HONEST, [SMALL]).evaluations
        (refused,) = opened.try_policy("import os", [SMALL]).evaluations

    assert ended.place is not None
    assert (ended.place.host, refused.place) == ("rack-3", None)


def test_the_weakest_embedded_cell_warns_of_each_missing_protection() -> None:
    bare = ProcessCells(TIGHT, "one-uid", walls=())

    with Sandbox(TIGHT, ready=False, cell=bare) as opened:
        trial = opened.try_policy(HONEST, [SMALL])
        warnings = opened.info()["warnings"]

    assert trial.cell is not None
    assert trial.cell.isolation == "process/one-uid/no-net/no-pid/no-mount"
    assert warnings == [
        "memory is limited for each policy, not for the whole cell",
        "only the system call filter blocks the network",
        "cells share this machine's process table",
        "only the system call filter protects files",
    ]


def test_isolation_full_is_refused_for_an_unprivileged_user() -> None:
    script = (
        f"{LOSE_ALL_RIGHTS}from sandbox.trial import Sandbox\n"
        "Sandbox(cell='process', isolation='full').__enter__()\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (
        "SandboxUnavailable: an embedded cell cannot give policies their own user ids"
        in ended.stderr
    )


def test_an_unprivileged_user_gets_one_uid_and_the_record_says_so() -> None:
    script = (
        f"{LOSE_ALL_RIGHTS}from sandbox.trial import Sandbox\n"
        "from tests.support.cells import HONEST, TIGHT, small_scenario\n"
        "with Sandbox(TIGHT, cell='process', ready=False) as box:\n"
        "    trial = box.try_policy(HONEST, [small_scenario()])\n"
        "    print(trial.outcome, trial.cell.isolation)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.stdout.startswith("ok process/one-uid"), ended.stderr


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"cell": "jar"}, "cell is 'jar', expected one of docker, process"),
        ({"cell": "process", "isolation": "none"}, "isolation is 'none'"),
        ({"cell": "process", "image": "x"}, "neither image nor runtime"),
    ],
)
def test_impossible_options_of_a_cell_are_value_errors(named: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Sandbox(TIGHT, **named)  # type: ignore[arg-type]


def test_a_scenario_that_cannot_be_read_is_our_error(sandbox: Sandbox) -> None:
    with pytest.raises(CellFailed, match="not an encoded scenario"):
        sandbox.try_policy(HONEST, [Payload(name="broken", data=b"noise")])


def test_a_missing_interpreter_makes_the_sandbox_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with (
        pytest.raises(SandboxUnavailable, match="no embedded cell can be started"),
        Sandbox(TIGHT, cell="process"),
    ):
        pass


def test_a_cell_that_dies_while_it_waits_is_replaced(sandbox: Sandbox) -> None:
    sandbox.settle()  # what it started ahead is not ours, nor are servers of other tests
    others = enclosures_of(os.getpid())
    with Sandbox(TIGHT, cell="process") as own:
        own.prepare(1)
        own.settle()
        waiting = enclosures_of(os.getpid()) - others
        for pid in waiting:
            os.kill(pid, signal.SIGKILL)

        assert own.try_policy(HONEST, [SMALL]).outcome is Outcome.OK

    assert waiting
    assert enclosures_of(os.getpid()) <= others


@pytest.mark.parametrize("walls", [None, ()], ids=["all walls", "no walls"])
def test_destroying_a_busy_cell_leaves_no_process(walls: tuple[()] | None) -> None:
    isolation = None if walls is None else "one-uid"
    cells = ProcessCells(TIGHT, isolation, walls)
    cells.open()
    cell = cells.start(3)
    assert until(lambda: len(session_of(cell.pid)) >= 5)  # enclosure, trusted process, workers

    cell.destroy()

    assert session_of(cell.pid) == set()


def test_a_cell_that_ignores_sigterm_is_killed() -> None:
    deaf = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(1, flush=True)\n"
        "signal.pause()\n"
    )
    cell = ProcessCell(
        [sys.executable, "-c", deaf],
        environment(),
        1,
        min(os.sched_getaffinity(0)),
        timeout_seconds=2.0,
    )
    assert until(lambda: ignores_requests_to_end(cell.pid))
    assert cell.run(b"", time.monotonic() + 0.1, 1 << 20).overdue

    cell.destroy()

    assert session_of(cell.pid) == set()


@pytest.mark.parametrize("doing", ["box.prepare(2); box.settle()", "work.start()"])
def test_a_killed_caller_leaves_no_process(doing: str) -> None:
    script = (
        "import threading\n"
        "from sandbox.limits import Limits\n"
        "from sandbox.trial import Sandbox\n"
        "from tests.support.cells import small_scenario\n"
        "limits = Limits(call_cpu_seconds=900, policy_cpu_seconds=900, wall_seconds=900)\n"
        "box = Sandbox(limits, cell='process').__enter__()\n"
        f"spin = ({SPIN!r}, [small_scenario()])\n"
        "work = threading.Thread(target=box.try_unscreened, args=spin, daemon=True)\n"
        f"{doing}\nprint('ready', flush=True)\ninput()\n"
    )
    caller = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert caller.stdout is not None
    assert caller.stdout.readline() == b"ready\n"
    assert until(lambda: any(len(session_of(one)) >= 3 for one in enclosures_of(caller.pid)))
    started = enclosures_of(caller.pid)

    caller.send_signal(signal.SIGKILL)
    caller.communicate()

    assert until(lambda: not any(session_of(one) for one in started))


def test_what_every_cell_imports_is_compiled_once_and_not_in_each_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "simulator", tmp_path / "simulator")
    monkeypatch.setattr("sandbox.process_cells.package_root", lambda: tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    shutil.rmtree(tmp_path / "simulator" / "cell" / "__pycache__", ignore_errors=True)

    ProcessCells(TIGHT).open()

    compiled = {path.name.partition(".")[0] for path in tmp_path.rglob("simulator/cell/**/*.pyc")}
    assert compiled == {path.stem for path in (tmp_path / "simulator" / "cell").glob("*.py")}


def test_two_threads_may_try_at_once(sandbox: Sandbox) -> None:
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(
            target=lambda: outcomes.append(sandbox.try_policy(HONEST, [SMALL]).outcome)
        )
        for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [Outcome.OK] * 4


def test_a_trial_is_ended_from_another_thread_and_leaves_no_process(sandbox: Sandbox) -> None:
    sandbox.settle()
    stop, before, raised = Stop(), enclosures_of(os.getpid()), list[BaseException]()

    def spin() -> None:
        try:
            slow.try_unscreened(SPIN, [SMALL], stop)
        except BaseException as error:
            raised.append(error)

    limits = TIGHT.model_copy(update={"call_cpu_seconds": 900.0, "policy_cpu_seconds": 900.0})
    with Sandbox(limits, ready=False, cell="process") as slow:
        thread = threading.Thread(target=spin)
        thread.start()
        assert until(lambda: enclosures_of(os.getpid()) > before)

        stop.now()

        thread.join()
    assert [type(each) for each in raised] == [TrialStopped]
    assert until(lambda: enclosures_of(os.getpid()) <= before)
    with pytest.raises(TrialStopped):
        sandbox.try_policy(HONEST, [SMALL], stop)


def test_a_cell_sees_nothing_of_the_callers_environment() -> None:
    assert set(environment()) <= {
        "PATH",
        "PYTHONPATH",
        "PYTHONHASHSEED",
        "PYTHONDONTWRITEBYTECODE",
        "LANG",
    }


def enclosures_of(pid: int) -> set[int]:
    """Return the children of ``pid`` that lead a session of their own."""
    return {one for one, (parent, session) in processes() if parent == pid and session == one}


def ignores_requests_to_end(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (ignored,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigIgn")]
    return bool(int(ignored, 16) >> (signal.SIGTERM - 1) & 1)


def session_of(leader: int) -> set[int]:
    return {one for one, (_, session) in processes() if session == leader}


def processes() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the number of each live process with those of its parent and its session."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = path.read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        status, parent, _, session = stat.rpartition(")")[2].split()[:4]
        if status not in "ZX":
            yield int(path.parent.name), (int(parent), int(session))
