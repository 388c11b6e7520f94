"""The set-up of docs/scale-out.md on a bed: a database, Prefect's server, Dask, and searches."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.image import image_tag
from tests.cluster.bed import MACHINES_ENGINE, PATIENCE_SECONDS, Bed, Host, awaited, open_bed
from tests.cluster.units import PAGE
from tests.docs.pages import blocks
from tests.support.prefect_machine import give_database

DATA = "/var/lib/postgresql/data"
AS_POSTGRES = "sudo -u postgres "
SCHEDULER = "tcp://one:8786"
SERVER = "http://head:4200"
LEAN = {
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
}
"""What a server for searches can do without."""


@dataclass(kw_only=True)
class Cluster:
    """Hosts with Prefect's server on the first, a scheduler on the second, workers on some."""

    bed: Bed
    cell: str
    worked_on: list[Host] = field(default_factory=list)

    @property
    def head(self) -> Host:
        """The host of the server, its database and the searches."""
        return self.bed["head"]

    def start_search(self, config: Path, home: Path, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start ``assay run`` on the head; what it prints goes to the home's file ``output``."""
        home.mkdir(exist_ok=True)
        return self.head.start(
            *("/srv/assay/.venv/bin/python", "-m", "flows.cli", "run", "--config", str(config)),
            *("--cell", self.cell, *arguments),
            log=home / "output",
            ASSAY_HOME=str(home),
            PREFECT_API_URL=f"{SERVER}/api",
            PREFECT_HOME="/srv/assay/.prefect",
            NO_COLOR="1",
        )

    def search(self, config: Path, home: Path, *arguments: str) -> str:
        """Return what a search printed that was run to its end."""
        code = self.start_search(config, home, *arguments).wait(PATIENCE_SECONDS)
        said = (home / "output").read_text("utf-8")
        assert code == 0, said + self.last_words()
        return said

    def start_worker(self, host: Host, **environment: str) -> None:
        """Start a worker, and wait until the scheduler knows it."""
        worker = host.serve("assay-worker", **environment)
        self.worked_on.append(host)
        awaited(lambda: worker.says("Registered to") or None, f"the worker ({worker.log})")

    def settle(self) -> None:
        """Wait until the scheduler knows every worker, and Prefect's server answers."""
        wait = f"from distributed import Client; Client('{SCHEDULER}').wait_for_workers"
        self.head.run(sys.executable, "-c", f"{wait}({len(self.worked_on)}, timeout=120)")
        awaited(lambda: is_healthy(self.head) or None, "Prefect's server")

    def cells(self) -> dict[str, list[str]]:
        """Return the cells of each host that has any."""
        found = {host.name: host.cells() for host in self.bed.hosts}
        return {name: cells for name, cells in found.items() if cells}

    def last_words(self) -> str:
        """Return the ends of all logs."""
        logs = sorted(self.bed.folder.glob("*/*.log"))
        return "".join(f"\n== {log}\n{log.read_text('utf-8', 'replace')[-2000:]}" for log in logs)


@contextmanager
def open_cluster(
    *names: str, postgres: bool, engines: bool, **environment: str
) -> Iterator[Cluster]:
    """Start all that docs/scale-out.md starts; with embedded cells where hosts have no engines.

    Without ``postgres`` the server keeps its runs in SQLite. ``environment`` is that of Dask.
    """
    with open_bed(*names) as bed:
        cluster = Cluster(bed=bed, cell="docker" if engines else "process")
        try:
            _start(cluster, postgres, engines, environment)
        except AssertionError as error:
            raise AssertionError(f"{error}{cluster.last_words()}") from error
        yield cluster


def _start(cluster: Cluster, postgres: bool, engines: bool, environment: dict[str, str]) -> None:
    head, one = cluster.bed["head"], cluster.bed["one"]
    one.serve("assay-scheduler", **environment)
    settings = dict(LEAN)
    if postgres:
        start_postgres(head)
    else:
        settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = _sqlite(head)
    server = head.serve("assay-prefect", **settings)
    if engines:
        _give_engines(cluster.bed)
    for host in cluster.bed.hosts:
        cluster.start_worker(host, **environment)
    awaited(lambda: is_healthy(head) or None, f"Prefect's server ({server.log})")


def is_healthy(head: Host) -> bool:
    """Return whether Prefect's server answers."""
    if not head.can("bash", "-c", ": </dev/tcp/head/4200"):
        return False  # which is found out in less time than Python takes to start
    ask = f"import urllib.request as r; r.urlopen('{SERVER}/api/health', timeout=5)"
    return head.can(sys.executable, "-ISc", ask)


def start_postgres(head: Host) -> None:
    """Start a database of the head's own, and type what the page says of it."""
    head.run("install", "-d", "-o", "postgres", DATA, "/run/postgresql")
    programs = postgres_programs()
    secure = ("--auth-local=peer", "--auth-host=scram-sha-256", "--no-sync")
    head.run(f"{programs}/initdb", "--pgdata", DATA, *secure, user="postgres")
    head.keep("postgres", f"{programs}/postgres", "-D", DATA, user="postgres")
    answers = (f"{programs}/pg_isready", "--quiet")
    awaited(lambda: head.can(*answers, user="postgres") or None, "the database")
    [shown] = [block for block in blocks(PAGE, "sh") if AS_POSTGRES in block.text]
    for line in shown.lines():
        if line.startswith(AS_POSTGRES):
            head.run(*shlex.split(line.removeprefix(AS_POSTGRES)), user="postgres")


def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs; `make database` installs them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "there is no PostgreSQL: type `make database`, or install postgresql"
    return found[-1].parent


def _sqlite(head: Host) -> str:
    """Give the server the database that its migrations make, and return its address."""
    give_database(head.files)
    return f"sqlite+aiosqlite:///{head.files}/prefect/prefect.db"


def _give_engines(bed: Bed) -> None:
    """Start an engine on each host and give it the machine's image, as the page does."""
    saved = bed.folder / "head" / "image.tar"
    image = image_tag()
    subprocess.run(
        ["docker", "--host", MACHINES_ENGINE, "save", "--output", str(saved), image],
        check=True,
        env={**os.environ},
    )
    for host in bed.hosts:
        host.start_engine()
        host.run("docker", "load", "--input", str(saved))
    saved.unlink()
