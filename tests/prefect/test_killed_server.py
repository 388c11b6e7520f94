"""Prefect's own server: it ends with the command that started it, and says why it cannot start."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.orchestration.server import Tether, _stop, why_not
from tests.docs.pages import reader
from tests.support.prefect_machine import (
    ROOT,
    awaited,
    end_group,
    free_port,
    give_database,
)
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]
SERVE = ("serve", "--port")
RUN = ("run", "--cell", "process", "--name", "killed", "--candidates")
EVIL = "import pathlib, os; pathlib.Path(os.environ['TRIPWIRE'], __name__).touch()\n"
"""Code that leaves a file behind wherever it is run."""
EVIL_LOGGING = """
version: 1
disable_existing_loggers: false
filters:
  tripped:
    (): pathlib.Path.touch
    self: {tripwire}
"""


@pytest.mark.parametrize("arguments", [pytest.param(SERVE, marks=pytest.mark.nightly), RUN])
def test_a_killed_command_leaves_no_server_behind(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    give_database(tmp_path / "home")
    with started(tmp_path, *arguments, str(free_port())) as command:
        server = awaited(lambda: server_of(command.pid), f"a server ({tmp_path}/log)")
        awaited(lambda: tether_of(command.pid), "what ends it")
        command.kill()
        awaited(lambda: None if is_alive(server) else True, "the end of the server")


def test_a_server_that_is_stopped_while_it_starts_leaves_nothing_behind() -> None:
    """What it started does not hear a signal yet, and it does not wait for that."""
    script = "(trap '' TERM; exec sleep 600) & echo $!; wait"
    with subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as server:
        assert server.stdout is not None
        started_by_it = int(server.stdout.readline())

        _stop(server)

    awaited(lambda: None if is_alive(started_by_it) else True, "the end of what it started")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """What a search left that was interrupted after its first candidate, and how it ended."""

    code: int
    told: str
    is_server_gone: bool
    tripped: tuple[str, ...]
    """The traps of the current folder that something went into."""
    runs: int
    """In the database below the current folder."""


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    """Search in a folder full of traps, and send SIGTERM to the whole process group."""
    top = tmp_path_factory.mktemp("interrupted")
    folder, tripwire = top / "folder", top / "tripped"
    tripwire.mkdir()
    set_traps(folder, tripwire)
    give_database(folder / ".assay")
    short = ("--suite", str(write_suite(top)), "--baseline", "naive")
    traps = {"TRIPWIRE": str(tripwire), "http_proxy": "http://127.0.0.1:9", "NO_PROXY": "::1/128"}
    with started(top, *RUN, "1000", *short, folder=folder, ASSAY_HOME="", **traps) as command:
        server = awaited(lambda: server_of(command.pid), f"a server ({top}/log)")
        awaited(lambda: "1/0 " in (top / "log").read_text() or None, "a candidate")
        os.killpg(command.pid, signal.SIGTERM)
        code = command.wait(280)
        awaited(lambda: None if is_alive(server) else True, "the end of the server")
    with closing(sqlite3.connect(folder / ".assay" / "prefect" / "prefect.db")) as used:
        [(runs,)] = used.execute("select count(*) from flow_run").fetchall()
    return Interrupted(
        code=code,
        told=(top / "log").read_text(),
        is_server_gone=not is_alive(server),
        tripped=tuple(path.name for path in tripwire.iterdir()),
        runs=runs,
    )


def test_a_signal_to_the_whole_group_ends_a_search_as_one_to_the_command_does(
    interrupted: Interrupted,
) -> None:
    told = interrupted.told

    assert (interrupted.code, "internal error" in told) == (130, False), told
    assert "is interrupted, everything recorded is kept" in told
    assert interrupted.is_server_gone


def test_nothing_in_the_current_folder_is_run_or_read_as_a_setting(
    interrupted: Interrupted,
) -> None:
    """All that Python and Prefect would take from a folder has a tripwire in it."""
    assert interrupted.tripped == ()
    assert "1/0 " in interrupted.told
    assert interrupted.runs == 1


@contextmanager
def started(
    top: Path, *arguments: str, folder: Path = ROOT, **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command of assay in a process group of its own, of which nothing is left in the end."""
    own = {"HOME": str(top), "ASSAY_HOME": str(top / "home"), **environment}
    with (top / "log").open("w") as log:
        command = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.cli", *arguments],
            cwd=folder,
            env={**reader(top), **own},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield command
    finally:
        end_group(command, signal.SIGKILL)


@pytest.mark.nightly
def test_a_database_of_a_newer_prefect_is_named_at_once_and_no_server_stays(
    tmp_path: Path,
) -> None:
    database = tmp_path / "home" / "prefect" / "prefect.db"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as newer:
        newer.execute("create table alembic_version (version_num text)")
        newer.execute("insert into alembic_version values ('ffffffffffff')")
        newer.commit()

    with started(tmp_path, *RUN, "1") as command:
        server = awaited(lambda: server_of(command.pid), f"a server ({tmp_path}/log)")
        code = command.wait(280)
        assert not is_alive(server)

    told = (tmp_path / "log").read_text()
    assert code == 1, told
    assert f"{database} was written by a newer version of Prefect: install that version" in told
    assert "Traceback" not in told


def test_a_failure_that_no_patience_ends_is_told_from_the_log_by_its_cause() -> None:
    """What Prefect's server printed on machines with these faults, and a line that is no fault."""
    said = {
        "alembic.util.exc.CommandError: Can't locate revision identified by 'ffff'": "newer",
        "sqlite3.DatabaseError: file is not a database": "/p/prefect.db is damaged",
        "(sqlite3.OperationalError) database or disk is full": "the disk is full",
        "OSError: [Errno 28] No space left on device: '/x'": "the disk is full",
        "sqlite3.OperationalError: unable to open database file": "/p/prefect.db cannot be opened",
        "Port 4200 is already in use. Please specify another": "its port was taken",
    }
    for line, meaning in said.items():
        known = why_not(["harmless", line], {"PREFECT_HOME": "/p"})
        assert known is not None and meaning in known[0], line

    own = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql://u:secret@h/d"}
    known = why_not(["Can't locate revision identified by 'ffff'"], own)
    assert known is not None and "secret" not in known[0] + known[1]
    assert why_not(["(sqlite3.OperationalError) database is locked"], {}) is None


def set_traps(folder: Path, tripwire: Path) -> None:
    """Make a folder with all that Python and Prefect would take from one, in vain."""
    logging = folder / "logging.yml"
    for path in (folder, folder / ".assay" / "prefect"):
        path.mkdir(parents=True, exist_ok=True)
        (path / "logging.yml").write_text(EVIL_LOGGING.format(tripwire=tripwire / "logging"))
        (path / "profiles.toml").write_text(
            f'active = "evil"\n[profiles.evil]\nPREFECT_LOGGING_SETTINGS_PATH = "{logging}"\n'
            'PREFECT_API_URL = "http://127.0.0.1:9/api"\n'
        )
    (folder / ".env").write_text(
        f"PYTHONPATH={folder}\nPREFECT_LOGGING_SETTINGS_PATH={logging}\nPREFECT_PROFILE=evil\n"
        f"PREFECT_PROFILES_PATH={folder}/profiles.toml\nPREFECT_API_URL=http://127.0.0.1:9/api\n"
        "PREFECT_SERVER_DATABASE_CONNECTION_URL=sqlite+aiosqlite:////nowhere/at/all.db\n"
    )
    for name in ("prefect.toml", "pyproject.toml"):
        table = "tool.prefect." if name == "pyproject.toml" else ""
        (folder / name).write_text(
            f'[{table}logging]\nconfig_path = "{logging}"\n'
            f'[{table}api]\nurl = "http://127.0.0.1:9/api"\n'
        )
    for name in ("sitecustomize", "usercustomize", "prefect", "uvicorn", "docker", "json", "flows"):
        (folder / f"{name}.py").write_text(EVIL)


def test_what_is_released_lives_on() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        with Tether(process.pid):
            pass
        assert is_alive(process.pid)
        process.kill()


def server_of(parent: int) -> int | None:
    return next(
        (pid for pid, line in children(parent) if " server" in line or "uvicorn" in line), None
    )


def tether_of(parent: int) -> int | None:
    return next((pid for pid, line in children(parent) if line.startswith("sh ")), None)


def children(parent: int) -> list[tuple[int, str]]:
    """Return the processes that any thread of a process started, with their command lines."""
    threads = Path(f"/proc/{parent}/task").glob("*/children")
    found = [int(pid) for thread in threads for pid in text_of(thread).split()]
    return [(pid, text_of(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")) for pid in found]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that ended may wait for a parent that never asks."""
    told = text_of(Path(f"/proc/{pid}/stat"))
    return bool(told) and told.rsplit(") ")[1][0] != "Z"


def text_of(path: Path) -> str:
    """Return what the system tells of a process, nothing where it is gone by now."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
