"""Processes of a Dask cluster as an operator starts them, each with a host name of its own."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flows.orchestration.hosts import Job, Missing, Wanted, work
from sandbox.outcome import Trial
from sandbox.provider import host_name
from tests.support.prefect_machine import ROOT, awaited


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A scheduler in this process, a client of it, and workers that are processes of their own."""

    client: Any
    address: str
    folder: Path
    programs: Path
    """Where ``dask-worker`` is."""
    ends: ExitStack

    def start(
        self, host: str, *, threads: int = 1, root: Path = ROOT, **environment: str
    ) -> "subprocess.Popen[bytes]":
        """Start a worker that runs the code below ``root``, and wait until it is connected."""
        code = {} if root == ROOT else {"PYTHONPATH": str(root)}
        before = len(self.workers())
        log = self.ends.enter_context((self.folder / f"{host}.log").open("ab"))
        process = subprocess.Popen(
            [
                *(self.programs / "dask-worker", self.address, "--nthreads", str(threads)),
                *("--no-nanny", "--no-dashboard", "--local-directory", str(self.folder)),
            ],
            cwd=root,
            env={**os.environ, "ASSAY_HOST": host, **code, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        self.ends.callback(_end, process)
        awaited(lambda: len(self.workers()) > before or None, f"worker {host}")
        return process

    def workers(self) -> list[str]:
        """Return the addresses of the workers that are connected."""
        return list(self.client.ncores())


_counting = threading.Lock()
_running: list[str] = []


def counted(wanted: Wanted, job: Job) -> tuple[str, int, Trial | Missing]:
    """Do a job in a worker; return also its host, and how many it ran at a time when it began."""
    with _counting:
        _running.append(job.source)
        at_once = len(_running)
    try:
        return host_name(), at_once, work(wanted, job)
    finally:
        with _counting:
            _running.pop()


@contextmanager
def dask_cluster(folder: Path, programs: Path) -> Iterator[Cluster]:
    """Start a scheduler without workers, which are started from a folder of ``programs``."""
    from distributed import Client, LocalCluster

    start, connect = cast(Any, LocalCluster), cast(Any, Client)
    local = start(n_workers=0, dashboard_address="127.0.0.1:0", protocol="tcp")
    with (
        local,
        connect(local, set_as_default=False) as client,
        ExitStack() as ends,
    ):
        yield Cluster(
            client=client,
            address=local.scheduler_address,
            folder=folder,
            programs=programs,
            ends=ends,
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
