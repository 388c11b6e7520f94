"""A search on three hosts keeps what it keeps on one, whatever breaks while it runs."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.bed import PATIENCE_SECONDS, awaited
from tests.cluster.cluster import Cluster
from tests.cluster.searches import Kept, kept
from tests.support.histories import lines_of

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]
LONG_SECONDS = 600.0
SLOW_PERCENT = 15
"""Of one core, for all programs and cells of a slow host."""


def test_a_worker_killed_in_a_trial(
    cluster: Cluster, config: Path, undisturbed: Kept, tmp_path: Path
) -> None:
    def kill() -> None:
        cluster.bed["two"].services["assay-worker"].send(signal.SIGKILL)

    disturb(cluster, config, tmp_path, kill)

    assert kept(tmp_path) == undisturbed


def test_a_host_cut_off_in_a_trial_and_back(
    cluster: Cluster, config: Path, undisturbed: Kept, tmp_path: Path
) -> None:
    two, scheduler = cluster.bed["two"], cluster.bed["one"].services["assay-scheduler"]
    worker = two.services["assay-worker"]
    removed, registered = scheduler.says("Remove worker"), worker.says("Registered to")

    def cut_off() -> None:
        two.plug(plugged=False)
        awaited(lambda: scheduler.says("Remove worker") > removed or None, "the host to be missed")
        awaited(lambda: not two.cells() or None, "the end of its cells, while it is cut off")
        two.plug(plugged=True)

    disturb(cluster, config, tmp_path, cut_off)

    awaited(lambda: worker.says("Registered to") > registered or None, "the host to be back")
    assert kept(tmp_path) == undisturbed


def test_a_slow_host(cluster: Cluster, config: Path, undisturbed: Kept, tmp_path: Path) -> None:
    two = cluster.bed["two"]

    try:
        disturb(cluster, config, tmp_path, lambda: two.slow_down(SLOW_PERCENT))
    finally:
        two.slow_down(None)

    assert kept(tmp_path) == undisturbed


def test_a_scheduler_restarted_in_a_trial(
    cluster: Cluster, config: Path, undisturbed: Kept, tmp_path: Path
) -> None:
    def restart() -> None:
        cluster.bed["one"].services["assay-scheduler"].send(signal.SIGTERM)

    disturb(cluster, config, tmp_path, restart)

    assert kept(tmp_path) == undisturbed


@pytest.mark.parametrize(
    ("service", "number"), [("assay-prefect", signal.SIGTERM), ("postgres", signal.SIGINT)]
)
def test_prefect_or_its_database_away_until_all_candidates_are_recorded(
    cluster: Cluster,
    config: Path,
    undisturbed: Kept,
    tmp_path: Path,
    service: str,
    number: signal.Signals,
) -> None:
    def be_away() -> None:
        wanted = sum(key[0] == "candidate" for key in undisturbed.rows)
        with cluster.head.services[service].stopped(number):
            awaited(
                lambda: len(lines_of(tmp_path, "candidate")) == wanted or None,
                f"all candidates to be recorded without {service}",
                LONG_SECONDS,
            )

    disturb(cluster, config, tmp_path, be_away)

    assert kept(tmp_path) == undisturbed


def test_a_search_killed_in_a_trial_and_resumed(
    cluster: Cluster, config: Path, undisturbed: Kept, tmp_path: Path
) -> None:
    cluster.settle()
    search = cluster.start_search(config, tmp_path)
    in_a_trial(cluster, search, tmp_path)

    os.killpg(search.pid, signal.SIGKILL)
    search.wait()
    awaited(lambda: not cluster.cells() or None, "the end of its cells")
    cluster.search(config, tmp_path)

    assert kept(tmp_path) == undisturbed


def disturb(cluster: Cluster, config: Path, home: Path, fault: Callable[[], None]) -> None:
    """Run a search to its end, with a fault while the host ``two`` tries something."""
    cluster.settle()
    search = cluster.start_search(config, home)
    in_a_trial(cluster, search, home)
    fault()
    code = search.wait(PATIENCE_SECONDS)
    assert code == 0, (home / "output").read_text("utf-8") + cluster.last_words()
    awaited(lambda: not cluster.cells() or None, "the end of all cells")


def in_a_trial(cluster: Cluster, search: "subprocess.Popen[bytes]", home: Path) -> None:
    """Wait until some candidate is recorded and the host ``two`` tries another."""

    def looks_so() -> bool | None:
        assert search.poll() is None, (home / "output").read_text("utf-8") + cluster.last_words()
        return (bool(lines_of(home, "candidate")) and bool(cluster.bed["two"].cells())) or None

    awaited(looks_so, "a trial on the host two")
