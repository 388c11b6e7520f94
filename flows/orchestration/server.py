"""Prefect's server as a process of its own, for a machine that has none running.

It is started as Prefect's documentation says, with ``prefect server start``. What stands in the
current folder is no part of its settings, and what keeps it from starting is said at once.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from flows.errors import OrchestratorUnavailable, UserError
from flows.orchestration.settings import OUR_FOLDER
from flows.orchestration.tether import Tether

HOST = "127.0.0.1"
PORTS = (12_000, 32_000)
"""Below those that the kernel gives to whoever connects to something meanwhile."""
LOOK_SECONDS = 0.2
STOP_SECONDS = 20.0
KEPT_LINES = 400
QUIETLY = {
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
}
"""For a server that lives as long as one search: no pages and no schedules."""
MOVE = "move {database} away (runs listed there are lost, the history of searches is not)"
PERMANENT = (
    (
        "Can't locate revision",
        "{database} was written by a newer version of Prefect",
        f"install that version, or {MOVE}",
    ),
    ("file is not a database", "{database} is damaged", MOVE),
    ("database disk image is malformed", "{database} is damaged", MOVE),
    ("No space left on device", "the disk is full", "free some space"),
    ("database or disk is full", "the disk is full", "free some space"),
    ("Disk quota exceeded", "your disk quota is used up", "free some space"),
    ("unable to open database file", "{database} cannot be opened", "check who may write there"),
    ("readonly database", "{database} cannot be written", "check who may write there"),
    ("disk I/O error", "the disk under {database} fails", "check that disk"),
    ("is already in use", "its port was taken by another program", "try again"),
    ("address already in use", "its port was taken by another program", "try again"),
)
"""What its log says of a failure that no patience ends, what that means, and what to do."""


@contextmanager
def running_server(
    environment: Mapping[str, str],
    patience_seconds: float,
    port: int | None = None,
) -> Iterator[str]:
    """Start a server, yield the address of its API once it answers, and stop it in the end.

    It ends with this process even where that is killed. With a ``port`` it has its pages.
    """
    if port is not None and _is_taken(port):
        raise UserError(
            f"port {port} is taken: choose another --port, or set PREFECT_API_URL if it is a "
            "Prefect server that listens there"
        )
    with_pages = port is not None
    port = port or free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "prefect", "server", "start"),
            *("--host", HOST, "--port", str(port)),
        ],
        cwd=OUR_FOLDER,
        env={**environment, **({} if with_pages else QUIETLY), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C at a terminal is for us: we tell it when to go
    )
    log = _Log(process)
    with Tether(-process.pid):
        try:
            _await_health(process, log, f"http://{HOST}:{port}/api", patience_seconds)
            yield f"http://{HOST}:{port}/api"
        finally:
            _stop(process)
            log.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        if not _is_taken(port):
            return port


def why_not(lines: list[str], environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return what a log says of a failure that no patience ends, and what to do about it."""
    own = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
    default = Path(environment.get("PREFECT_HOME") or "~/.prefect") / "prefect.db"
    database = f"the database of {own}" if environment.get(own) else str(default)
    for sign, meaning, remedy in PERMANENT:
        if any(sign in line for line in lines):
            return meaning.format(database=database), remedy.format(database=database)
    return None


class _Log:
    """The last lines that a server printed, which is read so that it never has to wait."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._pipe = process.stdout
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._thread = threading.Thread(target=self._read, name="server log", daemon=True)
        self._thread.start()

    def lines(self) -> list[str]:
        """Return what is known by now; of a server that ended, everything."""
        return list(self._lines)

    def close(self) -> None:
        """Wait for the end of the log of a server that was stopped."""
        self._thread.join(STOP_SECONDS)

    def _read(self) -> None:
        assert self._pipe is not None
        with self._pipe as pipe:
            while line := pipe.readline(65_536):
                self._lines.append(line.decode("utf-8", "replace").rstrip())


def _await_health(process: "subprocess.Popen[bytes]", log: _Log, url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _is_healthy(url):
        ended = process.poll() is not None
        if ended:
            log.close()
        known = why_not(log.lines(), os.environ)
        if known is not None:
            raise OrchestratorUnavailable(
                f"Prefect's server does not start: {known[0]}: {known[1]}, or use --direct for "
                "the same search without Prefect"
            )
        if ended:
            raise OrchestratorUnavailable(
                f"Prefect's server ended with exit code {process.returncode} instead of starting"
                f"{_last_words(log.lines())}; use --direct for the same search without Prefect"
            )
        if time.monotonic() > deadline:
            raise OrchestratorUnavailable(
                f"Prefect's server did not answer at {url} within {seconds:g} s"
                f"{_last_words(log.lines())}; try again, set PREFECT_API_URL to a running "
                "server, or use --direct for the same search without Prefect"
            )
        time.sleep(LOOK_SECONDS)


def _last_words(lines: list[str]) -> str:
    """Return the end of a log: its last line that tells of an error, else its last one."""
    said = [line.strip() for line in lines if any(c.isalpha() for c in line)]
    errors = [line for line in said if "rror" in line or "xception" in line]
    last = (errors or said)[-1:]
    return f" ({last[0][:300]})" if last else ""


def _is_healthy(url: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except (HTTPException, OSError):
        return False


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started: its group is its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=STOP_SECONDS)
            return
        except ProcessLookupError:
            process.wait()
            return
        except subprocess.TimeoutExpired:
            continue
