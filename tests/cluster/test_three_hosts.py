"""Three hosts are what docs/scale-out.md makes, and keep what one host keeps."""

from pathlib import Path

import pytest

from sandbox.image import image_tag
from tests.cluster.bed import MACHINES_ENGINE, ROOT
from tests.cluster.cluster import AS_POSTGRES, Cluster
from tests.cluster.searches import Kept, hosts_of, kept
from tests.cluster.units import PAGE, unit
from tests.docs.pages import blocks, follows, type_in, typed

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]


@follows(PAGE, "ini")
def test_hosts_run_the_units_of_the_page(cluster: Cluster) -> None:
    running = {
        (host.name, name): host.command_of(service)
        for host in cluster.bed.hosts
        for name, service in host.services.items()
        if name.startswith("assay-")
    }

    assert len(running) == 5
    for (host, name), command in running.items():
        assert command.endswith(" ".join(unit(name, host).command)), (host, name)


@follows(PAGE, "sh", holding=AS_POSTGRES)
def test_prefect_keeps_its_runs_in_the_database_of_the_page(cluster: Cluster) -> None:
    [shown] = [block for block in blocks(PAGE, "sh") if AS_POSTGRES in block.text]
    assert shown.lines()[0] == "sudo apt-get install -y postgresql"
    assert "CREATE ROLE assay" in shown.take()

    tables = cluster.head.run("psql", "-d", "assay", "-tAc", r"\dt flow_run", user="postgres")

    assert "flow_run|table|assay" in tables


@pytest.mark.docker
@follows(PAGE, "sh", holding="assay-sim.tar")
def test_an_image_goes_to_another_host_as_a_file(cluster: Cluster, tmp_path: Path) -> None:
    saving, loading = [block for block in blocks(PAGE, "sh") if "assay-sim.tar" in block.text]
    two = cluster.bed["two"]
    engine = two.engine if cluster.cell == "docker" else MACHINES_ENGINE

    ours = {"PYTHONPATH": str(ROOT)}
    type_in(typed(saving, {}), tmp_path, {"DOCKER_HOST": MACHINES_ENGINE} | ours)
    said = type_in(typed(loading, {}), tmp_path, {"DOCKER_HOST": engine} | ours)

    assert said == f"Loaded image: {image_tag()}\n"


@follows(PAGE, "sh", holding="--config search.toml")
def test_three_hosts_keep_what_one_keeps(
    cluster: Cluster, config: Path, undisturbed: Kept, tmp_path: Path
) -> None:
    [shown] = [block for block in blocks(PAGE, "sh") if "search.toml" in block.text]
    assert shown.take() == "assay run --config search.toml\n"
    cluster.settle()

    cluster.search(config, tmp_path)

    assert kept(tmp_path) == undisturbed
    assert hosts_of(tmp_path) == {"head", "one", "two"}
    assert undisturbed.doubled == () and None not in undisturbed.decisions
    assert cluster.cells() == {}
