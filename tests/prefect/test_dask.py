"""Trials in two processes of a Dask cluster give the history that threads give."""

import platform
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sandbox.daemon import Daemon
from tests.sandbox.own_engine import MACHINES_ENGINE
from tests.support.command import assay
from tests.support.dask_workers import dask_cluster
from tests.support.engine_proxy import EngineProxy
from tests.support.histories import essence, lines_of
from tests.support.prefect_machine import Machine, awaited
from tests.support.small_suite import write_suite

pytestmark = [
    *(pytest.mark.prefect, pytest.mark.docker, pytest.mark.timeout(1200)),
    pytest.mark.nightly,  # by day tests/cluster/test_two_hosts.py
]

CREATED = re.compile(r"/containers/create\?name=([\w-]+)")


HOSTS = {"alpha", "beta"}


def settings(folder: Path, suite: Path, runner: str) -> Path:
    """Return a configuration with this runner."""
    path = folder / "search.toml"
    path.write_text(
        f'name = "spread"\nsuite = "{suite}"\nbaselines = ["naive"]\nslots = 2\n'
        f"[budget]\ncandidates = 2\n[guards]\naudit_scenarios = 0\n[runner]\n{runner}\n",
        encoding="utf-8",
    )
    return path


def there_are(cells: set[str]) -> bool:
    """Tell whether the engine still knows any of these cells."""
    with closing(Daemon()) as daemon:
        return any(daemon.exists(cell) for cell in cells)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"))


@pytest.fixture(scope="module")
def threads(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    """What the search keeps without Dask."""
    folder = tmp_path_factory.mktemp("threads")
    done = assay(
        "run", "--config", settings(folder, suite, 'kind = "threads"'), "--direct", home=folder
    )
    assert done.returncode == 0, done.stderr
    return kept(folder)


def kept(home: Path) -> dict[Any, Any]:
    """Return what the only search in a home folder keeps."""
    [experiment] = [path.name for path in (home / "experiments").iterdir()]
    rows = essence(home, experiment)
    assert len(rows) > 9
    return rows


def spread(server: Machine, home: Path, config: Path, engine: str) -> None:
    """Search with a runner of Dask, without a word on standard error."""
    done = assay(
        *("run", "--config", config),
        home=home,
        programs=server.programs,
        DOCKER_HOST=engine,
        PREFECT_API_URL=server.url,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def cells_of(proxy: EngineProxy) -> set[str]:
    """Return the cells that were started; when this returns, all have ended."""
    cells = {name for line in proxy.asked for name in CREATED.findall(line)}
    assert awaited(lambda: not there_are(cells) or None, "the end of all cells")
    return cells


def test_two_dask_workers_give_the_history_of_threads_and_leave_no_cells(
    server: Machine, suite: Path, threads: dict[Any, Any], tmp_path: Path
) -> None:
    """The workers are those of a cluster that is there, as docs/scale-out.md sets it up."""
    home = tmp_path / "home"

    with (
        EngineProxy(tmp_path, MACHINES_ENGINE) as proxy,
        dask_cluster(tmp_path, server.programs) as cluster,
    ):
        for host in HOSTS:
            cluster.start(host, DOCKER_HOST=proxy.address)
        config = settings(tmp_path, suite, f'kind = "dask"\naddress = "{cluster.address}"')
        spread(server, home, config, proxy.address)

    assert kept(home) == threads
    assert {line["row"]["host"] for line in lines_of(home, "evaluation")} == HOSTS
    assert len(cells_of(proxy)) >= 3


def test_a_cluster_that_the_search_starts_itself_does_the_same(
    server: Machine, suite: Path, threads: dict[Any, Any], tmp_path: Path
) -> None:
    config = settings(tmp_path, suite, 'kind = "dask"\nworkers = 2')
    home = tmp_path / "home"

    with EngineProxy(tmp_path, MACHINES_ENGINE) as proxy:
        spread(server, home, config, proxy.address)

    assert kept(home) == threads
    assert {line["row"]["host"] for line in lines_of(home, "evaluation")} == {platform.node()}
    assert len(cells_of(proxy)) >= 3
