"""The short form of the tests of a cluster: two hosts, embedded cells, a handful of candidates."""

from pathlib import Path

from tests.cluster.cluster import open_cluster
from tests.cluster.searches import hosts_of, kept, write_config
from tests.support.command import assay


def test_a_search_on_two_hosts_keeps_what_one_on_one_host_keeps(tmp_path: Path) -> None:
    config = write_config(tmp_path, candidates=3)

    with open_cluster("head", "one", postgres=False, engines=False) as cluster:
        cluster.search(config, tmp_path / "spread")
        left = cluster.cells()

    here = ("run", "--config", config, "--direct", "--cell", "process")
    assert assay(*here, home=tmp_path / "alone").returncode == 0
    spread, alone = kept(tmp_path / "spread"), kept(tmp_path / "alone")
    assert spread == alone
    assert len(spread.rows) > 9 and None not in spread.decisions
    assert hosts_of(tmp_path / "spread") == {"head", "one"}
    assert left == {}
