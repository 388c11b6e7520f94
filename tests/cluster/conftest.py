"""Which of these tests a machine can run, and the cluster that most of them share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.bed import why_no_bed, why_no_engines
from tests.cluster.cluster import Cluster, open_cluster
from tests.cluster.searches import Kept, kept, write_config

# Namespaces take root, as a real second engine does.
collect_ignore_glob = ["test_*.py"] if why_no_bed() else []
DASK = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s"}
"""So that a host that is cut off is given up after seconds and not after half a minute."""


def pytest_report_header() -> str:
    """Say what the hosts are made of."""
    cannot = why_no_bed()
    if cannot:
        return f"cluster: no tests, {cannot}"
    lacking = why_no_engines()
    cells = f"embedded cells: {lacking}" if lacking else "a Docker engine on each host"
    return f"cluster: three hosts in namespaces, {cells}"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three hosts with engines where the machine allows it, and Prefect's runs in PostgreSQL."""
    with open_cluster(postgres=True, engines=why_no_engines() is None, **DASK) as found:
        yield found


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search whose trials take long enough for faults to happen in them."""
    return write_config(tmp_path_factory.mktemp("search"), candidates=8, duration=300)


@pytest.fixture(scope="session")
def undisturbed(cluster: Cluster, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """What this search keeps that runs on one host, in threads."""
    home = tmp_path_factory.mktemp("alone")
    cluster.search(config, home, "--direct")
    return kept(home)
