"""Prefect's local server, started as a child process when none is configured, and its settings.

It is started with ``prefect server start``, as Prefect documents. A cause that keeps it from
starting is reported at once. Prefect reads ``.env``, ``prefect.toml`` and ``pyproject.toml`` of the
current folder, which may come from others. Prefect is therefore imported in a folder of ours, and
its processes start there.
"""

import importlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import chdir, contextmanager, suppress
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import ProxyHandler, build_opener

from flows.errors import ConfigError, OrchestratorUnavailable, UserError
from flows.loopback import never_proxy_loopback
from flows.settings.sections import RunnerConfig

START_SECONDS = 300
OUR_FOLDER = Path(__file__).resolve().parent / "empty"
FOLDER = "ASSAY_FOLDER"
"""The variable that names the folder in which a run's flow works."""


def prepare_prefect(
    home: Path, environment: MutableMapping[str, str], *, verbose: bool = False
) -> None:
    """Set defaults: no telemetry, its files under our home folder, no code from a folder.

    Prefect's log goes to its pages; failures come back to our caller, who prints them once.
    """
    defaults = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PYTHONSAFEPATH": "1",  # no process begins with the current folder on its path
    }
    if not uses_a_server(environment):
        defaults["PREFECT_HOME"] = str(home / "prefect")
        home.mkdir(parents=True, exist_ok=True)  # Prefect makes its own folder, not ours
    if not environment.get("PREFECT_HOME") and "PREFECT_HOME" in defaults:
        # That folder may have come with others: it holds Prefect's database and no settings.
        defaults["PREFECT_PROFILES_PATH"] = str(OUR_FOLDER / "no-profiles.toml")
        defaults["PREFECT_LOGGING_SETTINGS_PATH"] = str(OUR_FOLDER / "no-logging.yml")
        _drop_unspoken_proxies(environment)
    for name, value in defaults.items():
        environment.setdefault(name, value)
    never_proxy_loopback(environment)


def import_flows() -> Any:
    """Return the module of our flows, imported where no file can be a setting of Prefect."""
    with chdir(OUR_FOLDER):
        return importlib.import_module("flows.orchestration.prefect_flows")


@contextmanager
def runs_begin_elsewhere(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Have the processes of runs begin in our folder; their flows go to the current one."""
    environment[FOLDER] = str(Path.cwd())
    with chdir(OUR_FOLDER):
        yield


def go_to_work() -> None:
    """Go to the folder in which the flow of this process works, if it began elsewhere."""
    folder = os.environ.get(FOLDER)
    if folder:
        os.chdir(folder)


def drop_stderr() -> None:
    """Keep to themselves what libraries still say of an interpreter that ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def check_runner(config: RunnerConfig) -> None:
    """Refuse a runner whose extra is not installed, without the slow import of it."""
    package = f"prefect_{config.kind}"
    if config.kind != "threads" and find_spec(package) is None:
        raise ConfigError(
            f"runner.kind is {config.kind!r}, which needs the package {package}: install "
            f"assay[{config.kind}], or use runner.kind 'threads'"
        )


def uses_a_server(environment: Mapping[str, str]) -> bool:
    """Return whether the user has a Prefect server: in the environment, or in a Prefect profile."""
    if environment.get("PREFECT_API_URL"):
        return True
    folder = environment.get("PREFECT_HOME") or str(Path.home() / ".prefect")
    path = environment.get("PREFECT_PROFILES_PATH") or str(Path(folder) / "profiles.toml")
    try:
        profiles = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    active = environment.get("PREFECT_PROFILE") or profiles.get("active")
    known = profiles.get("profiles", {})
    chosen = known.get(active) if isinstance(known, dict) and isinstance(active, str) else None
    return bool(isinstance(chosen, dict) and chosen.get("PREFECT_API_URL"))


def _drop_unspoken_proxies(environment: MutableMapping[str, str]) -> None:
    """Take out SOCKS proxies where nothing here speaks to them: one stops every HTTP client."""
    if find_spec("socksio") is None:
        for name, value in list(environment.items()):
            if name.lower().endswith("_proxy") and value.lower().startswith("socks"):
                del environment[name]


HOST = "127.0.0.1"
PORTS = (12_000, 32_000)
"""Below those that the kernel gives to whoever connects to something meanwhile."""
LOOK_SECONDS = 0.2
STOP_SECONDS = 20.0
KEPT_LINES = 400
QUIETLY = {
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
}
"""For a server that lives as long as one search: no pages, no kinds of blocks, no schedules."""
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
"""Texts of the log for failures that waiting cannot fix, with the meaning and what to do."""


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
            f"port {port} is in use: choose another --port, or set PREFECT_API_URL if a "
            "Prefect server listens there"
        )
    with_pages = port is not None
    port = port or free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "prefect", "server", "start"),
            *("--host", HOST, "--port", str(port)),
        ],
        cwd=OUR_FOLDER,
        env={
            "PREFECT_SERVER_UI_API_URL": f"http://{HOST}:{port}/api",  # else pages ask port 4200
            **environment,
            **({} if with_pages else QUIETLY),
            "PYTHONUNBUFFERED": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C goes to our process, which then ends it
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
    """Return the failure in a log that waiting cannot fix, and what to do about it."""
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
                f"Prefect's server does not start: {known[0]}: {known[1]}"
            )
        if ended:
            raise OrchestratorUnavailable(
                f"Prefect's server ended with exit code {process.returncode} instead of starting"
                f"{_last_words(log.lines())}"
            )
        if time.monotonic() > deadline:
            raise OrchestratorUnavailable(
                f"Prefect's server did not answer at {url} within {seconds:g} s"
                f"{_last_words(log.lines())}: try again, or set PREFECT_API_URL to a running server"
            )
        time.sleep(LOOK_SECONDS)


def _last_words(lines: list[str]) -> str:
    """Return the last line of a log that names an error; nothing of a log that names none."""
    errors = [line.strip() for line in lines if "rror" in line or "xception" in line]
    return f" ({errors[-1][:300].rstrip('.')})" if errors else ""


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
    """End the server and what it started: its group is its own.

    A server that is still starting may end before what it started, which is killed then.
    """
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


PATIENCE_SECONDS = 20
_WAIT = """
trap '' HUP INT TERM
read -r _ && exit
kill -s TERM -- "$1" || exit
for _ in $(seq "$2"); do sleep 1; kill -s 0 -- "$1" || exit; done
kill -s KILL -- "$1"
"""


class Tether:
    """Ties a process, or a group of them by its negative id, to this process until released."""

    def __init__(self, target: int) -> None:
        self._shell = subprocess.Popen(
            ["sh", "-c", _WAIT, "sh", str(target), str(PATIENCE_SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what kills our whole group must leave it alive
        )

    def release(self) -> None:
        """Let go of a process that has ended: its id may soon be another's."""
        self._shell.communicate(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
