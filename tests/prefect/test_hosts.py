"""Hosts of a cluster are asked who they are before any trial, and get scenarios once."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from flows.orchestration.hosts import (
    Hosts,
    Job,
    Kept,
    Missing,
    WorkerTrials,
    sha256_of,
    wanted_for,
)
from flows.settings.sections import CompareConfig
from flows.trials import side_by_side
from sandbox.errors import CellFailed, SandboxUnavailable
from sandbox.outcome import Outcome, Trial
from tests.support.cells import HONEST, small_scenario
from tests.support.dask_workers import Cluster, counted, dask_cluster
from tests.support.prefect_machine import ROOT, Machine, awaited

CONFIG = CompareConfig(policies=("naive",), cell="process")
WANTED = wanted_for(CONFIG)
SMALL = small_scenario()

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def cluster(server: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with dask_cluster(tmp_path_factory.mktemp("cluster"), server.programs) as running:
        yield running


class Search:
    """What a search is to a cluster, without Prefect: trials that go to the workers it may use."""

    def __init__(self, cluster: Cluster) -> None:
        self.warnings: list[str] = []
        self.sent: list[Job] = []
        self.at_once: list[tuple[str, int]] = []
        self.cluster = cluster
        self.hosts = Hosts(cluster.client, WANTED, self.warnings.append)
        self.trials = WorkerTrials(self.send, self.hosts.require_all())

    def send(self, job: Job) -> Trial | Missing:
        self.sent.append(job)
        workers = list(self.hosts.ready())
        future = self.cluster.client.submit(counted, WANTED, job, workers=workers, pure=False)
        host, at_once, answer = future.result()
        self.at_once.append((host, at_once))
        return cast("Trial | Missing", answer)

    def hosts_of_a_trial(self) -> set[str]:
        """Try a policy and return the hosts of its evaluations."""
        tried = self.trials.try_policy(HONEST, [SMALL])
        assert tried.outcome is Outcome.OK
        return {each.place.host for each in tried.evaluations if each.place is not None}


@pytest.fixture
def alpha(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with one worker as it should be, which is gone afterwards."""
    process = cluster.start("alpha")
    yield cluster
    process.terminate()
    awaited(lambda: not cluster.workers() or None, "the end of alpha")


def another_assay(folder: Path) -> Path:
    """Return a copy of our packages with another version, simulator and domain."""
    for package in ("flows", "sandbox", "simulator"):
        ignored = shutil.ignore_patterns("__pycache__", "_traces")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    for recipe in ("Dockerfile.sim", "requirements-image.lock"):
        shutil.copy(ROOT / recipe, folder / recipe)
    about = folder / "assay-0.0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: assay\nVersion: 0.0.1\n", "utf-8")
    with (folder / "simulator" / "domains" / "pipelines" / "contract.py").open("a") as file:
        file.write("# another\n")
    return folder


@pytest.mark.prefect
def test_a_host_with_another_version_image_or_domain_is_refused_by_name_before_any_trial(
    alpha: Cluster, tmp_path: Path
) -> None:
    early = Search(alpha)
    other = alpha.start("beta", root=another_assay(tmp_path))

    awaited(lambda: (early.hosts.there() and early.warnings) or None, "the new worker to be asked")
    hosts = set[str]().union(*(early.hosts_of_a_trial() for _ in range(3)))
    with pytest.raises(SandboxUnavailable) as refused:
        Search(alpha)
    other.terminate()
    awaited(lambda: len(alpha.workers()) == 1 or None, "the end of beta")

    assert hosts == {"alpha"}
    [warning] = early.warnings
    assert str(refused.value) == warning
    assert warning.startswith("host beta (tcp://127.0.0.1) is refused: its ")
    for name, value in WANTED.identity.items():
        assert f"its {name} is " in warning
        assert f"expected {value}: install" in warning
    assert "its version of assay is 0.0.1," in warning
    assert warning.count("then start its worker again") == 3


@pytest.mark.prefect
def test_scenarios_go_to_a_worker_once_and_again_to_one_that_takes_its_place(
    cluster: Cluster,
) -> None:
    before = cluster.start("alpha")
    search = Search(cluster)

    hosts = [search.hosts_of_a_trial(), search.hosts_of_a_trial()]
    before.send_signal(signal.SIGKILL)
    awaited(lambda: not cluster.workers() or None, "the end of alpha")
    after = cluster.start("beta")
    there = set(cluster.workers())
    awaited(lambda: set(search.hosts.ready()) == there or None, "the search to know of beta")
    hosts.append(search.hosts_of_a_trial())
    after.terminate()
    awaited(lambda: not cluster.workers() or None, "the end of beta")

    assert hosts == [{"alpha"}, {"alpha"}, {"beta"}]
    assert [len(job.data) for job in search.sent] == [0, 1, 0, 0, 1]


@pytest.mark.prefect
def test_two_searches_on_two_workers_have_no_more_cells_at_a_time_than_workers_have_threads(
    cluster: Cluster,
) -> None:
    processes = [cluster.start("alpha", threads=2), cluster.start("beta", threads=1)]
    searches = [Search(cluster), Search(cluster)]

    side_by_side(lambda number: searches[number % 2].hosts_of_a_trial(), range(8))
    for process in processes:
        process.terminate()
    awaited(lambda: not cluster.workers() or None, "the end of both")

    tried = [each for search in searches for each in search.at_once]
    most = {host: max(n for at, n in tried if at == host) for host, _ in tried}
    assert all(search.at_once for search in searches)
    assert most == {"alpha": 2, "beta": 1}


def test_data_that_is_not_what_its_hash_says_is_refused_and_not_kept() -> None:
    kept, good = Kept(), b"a scenario"
    name = sha256_of(good)

    with pytest.raises(CellFailed, match=f"expected {name}"):
        kept.take({name: b"another"}, [name])

    assert kept.take({}, [name]) == {name: None}
    assert kept.take({name: good}, [name]) == {name: good}
    assert kept.take({}, [name]) == {name: good}


def test_what_is_kept_is_bounded_and_the_longest_unused_goes_first() -> None:
    kept = Kept(most_bytes=25)
    names = {sha256_of(bytes([k]) * 10): bytes([k]) * 10 for k in range(3)}
    first, second, third = names

    for name in (first, second, first, third):
        assert kept.take({name: names[name]}, [name])[name] is not None

    assert kept.take({}, [first, second, third]) == {
        first: names[first],
        second: None,
        third: names[third],
    }
    large = b"x" * 26
    assert kept.take({sha256_of(large): large}, [sha256_of(large)]) == {sha256_of(large): large}


def test_a_worker_that_loses_what_it_was_sent_is_our_failure() -> None:
    def lost(job: Job) -> Missing:
        return Missing(sha256s=(job.scenarios[0][1],))

    with pytest.raises(CellFailed, match="lost 1 scenarios that it was sent"):
        WorkerTrials(lost, {}).try_policy(HONEST, [SMALL])
