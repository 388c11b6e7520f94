"""Embedded cells, for machines without Docker: the same processes and seal, without a container.

Opening finds out which protections the kernel grants this user; from then on every cell must have
them all. Limits hold for each worker, not for the whole cell. When a cell's first process ends, all
processes that it started end.
"""

import compileall
import contextlib
import json
import os
import platform
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

from sandbox.errors import CellFailed, SandboxUnavailable
from sandbox.hardening import ENVIRONMENT, trusted_arguments
from sandbox.image import package_root, source_hash
from sandbox.limits import Limits
from sandbox.provider import PROCESS, Ended, Processors, Setting, usable_processors
from sandbox.verdict import process_protections
from simulator.cell.addresses import addresses_are_fixed, fix_addresses, randomise_addresses
from simulator.cell.frames import LENGTH
from simulator.cell.seal import ONE_UID, SPLIT
from simulator.cell.seccomp import ARCHITECTURES
from simulator.domain import Domain, find_domain

_CHUNK = 1 << 16
_PROGRAM = ("-s", "-P", "-m", "simulator.cell.enclosure")
_WEAKER_REMEDY = "name the isolation one-uid, run as root, or use --cell docker"
_WITHOUT_WALL = {
    "net": "only the system call filter blocks the network",
    "pid": "cells share this machine's process table",
    "mount": "only the system call filter protects files",
}
_MEMORY_WARNING = "memory is limited for each policy, not for the whole cell"


class ProcessCell:
    """A started embedded cell; it ends when its standard input closes, as when the caller dies."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        workers: int,
        cpu: int,
        *,
        timeout_seconds: float,
        per_scenario: int = 1,
    ) -> None:
        self.workers = workers
        """The number of scenarios that it can run."""
        self._timeout_seconds = timeout_seconds
        self._started_at = time.monotonic()
        try:
            with _thread_settings_for_a_cell(cpu):
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=dict(environment),
                    cwd="/",
                    start_new_session=True,  # the terminal's Ctrl-C must reach the caller only
                )
            with contextlib.suppress(BrokenPipeError):  # it ended early, and says why in its output
                os.write(self._pipes()[0].fileno(), LENGTH.pack(workers * per_scenario))
        except OSError as error:
            problem = f"an embedded cell could not be started ({error.strerror or error})"
            raise CellFailed(problem, "try again when the machine has room") from error

    @property
    def age_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started_at

    @property
    def pid(self) -> int:
        """The process that ends last: after it, no process of the cell is left."""
        return self._process.pid

    def run(self, job: bytes, deadline: float, max_output_bytes: int) -> Ended:
        """Send the job and wait for the end of the output, until ``deadline`` at most."""
        stdin, stdout, stderr = self._pipes()
        exchange = _Exchange(stdin, job, stdout, stderr)
        while exchange.open and exchange.taken <= max_output_bytes:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            exchange.step(left)
        flooded = exchange.taken > max_output_bytes
        return Ended(
            stdout=bytes(exchange.stdout),
            stderr=exchange.stderr.decode("utf-8", "replace"),
            overdue=exchange.open and not flooded,
            flooded=flooded,
        )

    def end(self) -> None:
        """Ask the cell to end; its pipes stay open until ``destroy``: ``run`` waits on them."""
        self._process.send_signal(signal.SIGTERM)

    def destroy(self) -> None:
        """Ask the cell to end with SIGTERM; kill its process group if it does not."""
        for pipe in self._pipes():
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(self._timeout_seconds)
        except subprocess.TimeoutExpired:
            self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        try:
            self._process.wait(self._timeout_seconds)
        except subprocess.TimeoutExpired:
            problem = f"the embedded cell {self._process.pid} could not be ended"
            raise CellFailed(problem, "look at it with `ps`, and kill its process group") from None

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        return process.stdin, process.stdout, process.stderr


@contextlib.contextmanager
def _thread_settings_for_a_cell(cpu: int) -> Iterator[None]:
    """Pin this thread and fix its addresses while it starts a cell, which inherits both.

    As arguments they would be visible to the policy, and differ from cell to cell.
    """
    processors, fixed = os.sched_getaffinity(0), addresses_are_fixed()
    os.sched_setaffinity(0, {cpu})
    fix_addresses()
    try:
        yield
    finally:
        os.sched_setaffinity(0, processors)
        if not fixed:
            randomise_addresses()


class _Exchange:
    """Writes the job and reads both output streams at the same time, so that no side blocks."""

    def __init__(self, stdin: IO[bytes], job: bytes, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._stdin = stdin
        self._job = memoryview(job)
        self._outputs = {stdout.fileno(): self.stdout, stderr.fileno(): self.stderr}
        self._ready = selectors.DefaultSelector()
        for pipe, event in (
            (stdin, selectors.EVENT_WRITE),
            (stdout, selectors.EVENT_READ),
            (stderr, selectors.EVENT_READ),
        ):
            os.set_blocking(pipe.fileno(), False)
            self._ready.register(pipe.fileno(), event)

    @property
    def taken(self) -> int:
        """Bytes received so far."""
        return len(self.stdout) + len(self.stderr)

    @property
    def open(self) -> bool:
        """Whether more output may come; the pipe of the job stays open until ``destroy``."""
        return bool(self._outputs)

    def step(self, timeout_seconds: float) -> None:
        """Wait for a pipe to be ready, at most ``timeout_seconds``, and read or write."""
        for key, _ in self._ready.select(timeout_seconds):
            if key.fd in self._outputs:
                self._take(key.fd)
            else:
                self._send(key.fd)
        if not self._outputs:
            self._ready.close()

    def _take(self, fd: int) -> None:
        data = os.read(fd, _CHUNK)
        self._outputs[fd] += data
        if not data:
            del self._outputs[fd]
            self._ready.unregister(fd)

    def _send(self, fd: int) -> None:
        try:
            self._job = self._job[os.write(fd, self._job[:_CHUNK]) :]
        except (BrokenPipeError, ConnectionResetError):
            self._job = self._job[:0]  # it ended early, and says why in its output
        if not self._job:
            self._ready.unregister(fd)


class ProcessCells:
    """Starts embedded cells with the strongest isolation and walls that this machine grants.

    ``isolation`` and ``walls`` may name weaker ones; naming unavailable ones fails when opened.
    """

    def __init__(
        self,
        limits: Limits,
        isolation: str | None = None,
        walls: Sequence[str] | None = None,
        domain: Domain | None = None,
    ) -> None:
        self._limits = limits
        self._domain = domain or find_domain()
        self._isolation = isolation or SPLIT
        self._named = isolation is not None
        self._walls = tuple(walls or ())
        self._walls_named = walls is not None
        self._processors = Processors(usable_processors(1 << 16))

    def open(self) -> Setting:
        """Find out which protections the kernel grants this user."""
        _require_linux()
        if not sys.dont_write_bytecode:
            _compile(package_root() / "simulator")
        granted = _probe(
            tuple(_command(["--probe"])), str(package_root()), self._limits.start_seconds
        )
        if not self._walls_named:
            self._walls = tuple(granted["walls"])
        if self._isolation == SPLIT and not granted["split"]:
            if self._named:
                problem = "an embedded cell cannot give policies their own user ids here"
                raise SandboxUnavailable(problem, _WEAKER_REMEDY)
            self._isolation = ONE_UID
        lacking = [wall for wall in _WITHOUT_WALL if wall not in self._walls]
        return Setting(
            engine="none",
            runtime=f"{platform.python_implementation()} {platform.python_version()}",
            image="none",
            image_id=f"installed:{source_hash(domain=self._domain)[:12]}",
            isolation="/".join([PROCESS, self._isolation, *(f"no-{wall}" for wall in lacking)]),
            warnings=(_MEMORY_WARNING, *(_WITHOUT_WALL[wall] for wall in lacking)),
        )

    def start(self, workers: int) -> ProcessCell:
        """Return a started cell for ``workers`` scenarios."""
        cpu = self._processors.take()
        walls = ["--walls", ",".join(self._walls), "--"]
        trusted = trusted_arguments(
            self._isolation, self._limits, str(self._domain.root), self._domain.role
        )
        return ProcessCell(
            _command([*walls, *trusted]),
            environment(),
            workers,
            cpu,
            timeout_seconds=self._limits.start_seconds,
            per_scenario=self._domain.workers,
        )

    def protections(self) -> Mapping[str, Any]:
        """Return the protections that every cell must report: the seal's and those found."""
        return process_protections(self._isolation, self._walls)

    def close(self) -> None:
        """Do nothing: nothing stays open between cells."""


def environment() -> dict[str, str]:
    """Return a cell's whole environment; nothing of the caller's is in it."""
    return {**ENVIRONMENT, "PYTHONPATH": str(package_root())}


def _require_linux() -> None:
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        problem = f"an embedded cell needs Linux on one of {known}, this is {system} on {machine}"
        raise SandboxUnavailable(problem, "use --cell docker")


@cache
def _compile(folder: Path) -> None:
    """Compile once what every cell imports; cells themselves write no file."""
    compileall.compile_dir(folder, quiet=2)


@cache
def _probe(command: tuple[str, ...], root: str, timeout_seconds: float) -> dict[str, Any]:
    """Return what the kernel grants; asked once, since each cell insists on all of it anyway."""
    try:
        answer = subprocess.run(
            command,
            env={**ENVIRONMENT, "PYTHONPATH": root},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_seconds,
            check=True,
        ).stdout
        granted: dict[str, Any] = json.loads(answer)
        return granted
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        stderr = getattr(error, "stderr", None) or b""
        last = stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        problem = f"no embedded cell can be started here: {last or error}"
        raise SandboxUnavailable(problem, "use --cell docker") from error


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, *_PROGRAM, *arguments]
