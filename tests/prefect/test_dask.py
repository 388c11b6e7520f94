"""Trials in two processes of a Dask cluster give the history that threads give."""

from pathlib import Path

import pytest

from sandbox.daemon import Daemon
from sandbox.hardening import OWNER_LABEL
from tests.support.command import assay
from tests.support.histories import essence
from tests.support.prefect_machine import Machine
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.prefect, pytest.mark.docker, pytest.mark.timeout(600)]


def settings(folder: Path, suite: Path, runner: str) -> Path:
    """Return a configuration with this runner."""
    path = folder / f"{runner}.toml"
    path.write_text(
        f'name = "spread"\nsuite = "{suite}"\nbaselines = ["naive"]\nslots = 2\n'
        f"[budget]\ncandidates = 2\n[guards]\naudit_scenarios = 0\n"
        f'[runner]\nkind = "{runner}"\nworkers = 2\n',
        encoding="utf-8",
    )
    return path


def owners_of_cells() -> set[int]:
    """Return the processes that own the cells of the engine."""
    daemon = Daemon()
    try:
        listed = daemon.containers_with(OWNER_LABEL)
    finally:
        daemon.close()
    return {int(one.labels[OWNER_LABEL].split(":")[0]) for one in listed}


def test_two_dask_workers_give_the_history_of_threads_and_leave_no_cells(
    server: Machine, tmp_path: Path
) -> None:
    suite, before = write_suite(tmp_path), owners_of_cells()
    spread, plain = settings(tmp_path, suite, "dask"), settings(tmp_path, suite, "threads")

    dask = assay("run", "--config", spread, home=tmp_path / "d", PREFECT_API_URL=server.url)
    threads = assay("run", "--config", plain, "--direct", home=tmp_path / "t")

    assert (dask.returncode, dask.stderr) == (0, ""), dask.stdout
    assert threads.returncode == 0
    [experiment] = [path.name for path in (tmp_path / "d" / "experiments").iterdir()]
    rows = essence(tmp_path / "d", experiment)
    assert len(rows) > 9
    assert rows == essence(tmp_path / "t", experiment)
    assert [pid for pid in owners_of_cells() - before if not Path(f"/proc/{pid}").exists()] == []
