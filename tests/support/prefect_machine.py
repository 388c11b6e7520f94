"""Prefect as people run it: a server, its command line, workers, and questions to its API."""

import contextlib
import fcntl
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import httpx

from flows.orchestration.server import prepare_prefect
from tests.docs.pages import DOCS, blocks
from tests.support.warm import MODULES, warm_programs

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
PREFECT = (sys.executable, "-m", "prefect")
PAGE = DOCS / "prefect.md"
PATIENCE_SECONDS = 280.0
WORKER_SECONDS = 30.0
"""How long a worker may take to go; one of a busy machine may hang there, and nobody minds."""
LOOK_SECONDS = 0.2
OUR_PORTS = (12_000, 32_000)
BUSY = 503
WARM_PROGRAMS = ("assay", "prefect", "dask-worker")
WARM = (
    *MODULES,
    "prefect.main",
    "prefect.cli.deploy",
    "prefect.cli.deployment",
    "prefect.cli.work_pool",
    "prefect.cli.worker",
    "prefect.workers.process",
    "distributed.cli.dask_worker",
    "flows.orchestration.prefect_flows",
    "tests.support.dask_workers",
)
"""What commands that use a server import; Prefect alone takes seconds."""
MIGRATED = ROOT / ".assay-setup" / f"prefect-{version('prefect')}.db"
PLAINLY = httpx.Client(
    verify=False,
    trust_env=False,
    timeout=PATIENCE_SECONDS,
    limits=httpx.Limits(max_keepalive_connections=0),  # servers come and go
)
"""Asks without TLS, whose certificates take longer to load for each question than the answer."""
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A server, and the environment in which programs find it."""

    url: str
    environment: Mapping[str, str]
    programs: Path = Path()
    """A folder with ``assay``, ``prefect`` and ``dask-worker``, which start at once and find it."""
    typed: tuple[str, ...] = ()
    """The commands of docs/prefect.md that were typed to make it what it is."""

    def prefect(self, *arguments: str, **environment: str) -> str:
        """Return what ``prefect ARGUMENTS`` printed, called in the project's folder."""
        done = subprocess.run(
            [self.programs / "prefect", *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextlib.contextmanager
    def worker(
        self, name: str, home: Path, limit: int = 1, *, family: bool = False
    ) -> Iterator["subprocess.Popen[str]"]:
        """Run a worker, as docs/prefect.md starts one, in a process group of its own.

        With ``family`` its process is the parent of all that it starts, and takes long to start.
        """
        [shown] = [block for block in blocks(PAGE, "sh") if "prefect worker start" in block.text]
        typed = program(shown.take().replace("--limit 2", f"--limit {limit}"))
        log = (home.parent / f"{name}.log").open("w")
        process = subprocess.Popen(
            [*((*PREFECT,) if family else (self.programs / "prefect",)), *typed, "--name", name],
            cwd=ROOT,
            env={**self.environment, "ASSAY_HOME": str(home), "PREFECT_WORKER_QUERY_SECONDS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            end_group(process, signal.SIGTERM, WORKER_SECONDS)
            log.close()

    def ask(self, method: str, path: str, json: Any = None) -> Any:
        """Return the API's answer; an error status is an answer too."""

        def reply() -> httpx.Response | None:
            found = PLAINLY.request(method, f"{self.url}{path}", json=json)
            return None if found.status_code == BUSY else found  # its database is locked

        answer = awaited(reply, f"an answer to {method} {path}")
        return {"status": answer.status_code, "body": answer.json() if answer.content else None}

    def deployment(self, name: str) -> dict[str, Any]:
        """Return the deployment ``flow/name``."""
        found: dict[str, Any] = self.ask("GET", f"/deployments/name/{name}")["body"]
        return found

    def start_run(self, deployment: str, parameters: dict[str, Any], **more: Any) -> str:
        """Ask for a run of a deployment, now unless a ``state`` says otherwise; return its id."""
        body = {"parameters": parameters, **more}
        identity = self.deployment(deployment)["id"]
        answer = self.ask("POST", f"/deployments/{identity}/create_flow_run", body)
        assert answer["status"] == 201, answer
        return str(answer["body"]["id"])

    def run(self, identity: str) -> dict[str, Any]:
        """Return a flow run."""
        found: dict[str, Any] = self.ask("GET", f"/flow_runs/{identity}")["body"]
        return found

    def runs(self, **criteria: Any) -> list[dict[str, Any]]:
        """Return the flow runs that fit a filter of the API."""
        found: list[dict[str, Any]] = self.ask("POST", "/flow_runs/filter", criteria)["body"]
        return found

    def ended(self, identity: str) -> dict[str, Any]:
        """Wait for the end of a flow run and return its state."""

        def state() -> dict[str, Any] | None:
            found: dict[str, Any] = self.run(identity)["state"]
            return found if found["type"] in FINAL else None

        return awaited(state, f"the end of flow run {identity}")


@contextlib.contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Start a server as docs/prefect.md does, on a free port and with files of its own."""
    [shown] = [block for block in blocks(PAGE, "sh") if "prefect server start" in block.text]
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ASSAY_"))}
    environment |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": url}
    prepare_prefect(folder, environment, verbose=True)
    give_database(folder)
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(
        [*PREFECT, *program(shown.take())],
        env=environment
        | {
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_UI_ENABLED": "false",
            "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
        },
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    read = environment | {
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    try:
        with warm_programs(*WARM_PROGRAMS, modules=WARM, environment=read) as programs:
            awaited(lambda: is_healthy(url) or None, f"the server ({folder}/server.log)")
            yield Machine(
                url=url, environment=environment, programs=programs, typed=tuple(shown.lines())
            )
    finally:
        end_group(server, signal.SIGTERM)
        log.close()


def give_database(home: Path) -> None:
    """Give a home folder the empty database that Prefect's server would make there.

    Its migrations take longer than a small search, so they run once and the result is copied.
    """
    MIGRATED.parent.mkdir(exist_ok=True)
    with MIGRATED.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not MIGRATED.exists():
            migrate(MIGRATED)
    (home / "prefect").mkdir(parents=True, exist_ok=True)
    shutil.copy(MIGRATED, home / "prefect" / "prefect.db")


def migrate(database: Path) -> None:
    """Make a database with Prefect's own command."""
    with tempfile.TemporaryDirectory(dir=database.parent) as folder:
        environment = {**os.environ, "PREFECT_HOME": folder}
        prepare_prefect(Path(folder), environment)
        subprocess.run(
            [*PREFECT, "server", "database", "upgrade", "-y"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        (Path(folder) / "prefect.db").rename(database)


def program(line: str) -> list[str]:
    """Return the words of a command of Prefect after its name."""
    first, *words = shlex.split(line)
    assert first == "prefect", line
    return words


def is_healthy(url: str) -> bool:
    """Return whether a server answers."""
    try:
        return PLAINLY.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def free_port() -> int:
    """Return a port that is free, and below those that the kernel gives to others meanwhile."""
    while True:
        port = random.SystemRandom().randrange(*OUR_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def awaited(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Return what ``look`` finds as soon as it finds anything."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(LOOK_SECONDS)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


def end_family(process: "subprocess.Popen[Any]") -> None:
    """Kill a process and all that it started, as when its machine goes: a run has its own group."""
    family = [process.pid]
    for pid in family:  # which grows meanwhile
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                family += map(int, children.read_text().split())
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def end_group(
    process: "subprocess.Popen[Any]", number: signal.Signals, seconds: float = PATIENCE_SECONDS
) -> None:
    """End a process with its whole group; insist when it does not go."""
    for each in (number, signal.SIGKILL):
        try:
            os.killpg(process.pid, each)
            process.wait(timeout=seconds)
        except ProcessLookupError:
            process.wait()
        except subprocess.TimeoutExpired:
            continue
        return
