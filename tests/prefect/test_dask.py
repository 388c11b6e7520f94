"""Trials in two processes of a Dask cluster give the history that threads give."""

import platform
import re
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.daemon import Daemon
from tests.sandbox.own_engine import MACHINES_ENGINE
from tests.support.command import assay
from tests.support.engine_proxy import EngineProxy
from tests.support.histories import essence, lines_of
from tests.support.prefect_machine import Machine, awaited
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.prefect, pytest.mark.docker, pytest.mark.timeout(1200)]

CREATED = re.compile(r"/containers/create\?name=([\w-]+)")


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


def there_are(cells: set[str]) -> bool:
    """Tell whether the engine still knows any of these cells."""
    with closing(Daemon()) as daemon:
        return any(daemon.exists(cell) for cell in cells)


def test_two_dask_workers_give_the_history_of_threads_and_leave_no_cells(
    server: Machine, tmp_path: Path
) -> None:
    suite = write_suite(tmp_path)
    spread, plain = settings(tmp_path, suite, "dask"), settings(tmp_path, suite, "threads")

    with EngineProxy(tmp_path, MACHINES_ENGINE) as proxy:
        dask = assay(
            *("run", "--config", spread),
            home=tmp_path / "d",
            programs=server.programs,
            DOCKER_HOST=proxy.address,
            PREFECT_API_URL=server.url,
        )
    threads = assay("run", "--config", plain, "--direct", home=tmp_path / "t")

    assert (dask.returncode, dask.stderr) == (0, ""), dask.stdout
    assert threads.returncode == 0
    [experiment] = [path.name for path in (tmp_path / "d" / "experiments").iterdir()]
    rows = essence(tmp_path / "d", experiment)
    assert len(rows) > 9
    assert rows == essence(tmp_path / "t", experiment)
    named = {line["row"]["host"] for line in lines_of(tmp_path / "d", "evaluation")}
    assert named == {platform.node()}
    cells = {name for line in proxy.asked for name in CREATED.findall(line)}
    assert len(cells) >= 3
    assert awaited(lambda: not there_are(cells) or None, "the end of all cells")
