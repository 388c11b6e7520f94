"""Two workers on one pool share the policies of a folder; one is killed, the other finishes."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.history.records import CandidateRow
from flows.home import experiment_folder
from flows.judging.splits import suite_scenarios
from flows.settings.sections import FolderConfig, folder_experiment_id, folder_sha256
from sandbox.source import candidate_id
from simulator.domains.pipelines.library import policy_names, policy_source
from tests.support.histories import candidates_by_process, essence, lines_of
from tests.support.prefect_machine import Machine, awaited, end_family
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(1200)]
NAMES = policy_names()[:6]
NUMBERS = "numbers.lock"


def folder_of_policies(tmp_path: Path) -> Path:
    """Return a folder of policies, each different from all others."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"{policy_source(name)}\n# mine\n", encoding="utf-8")
    return folder


def config(tmp_path: Path, folder: Path) -> dict[str, dict[str, Any]]:
    suite = str(write_suite(tmp_path))
    return {
        "config": {
            "folder": str(folder),
            "suite": suite,
            "split": "train",
            "cell": "process",
            "baselines": ["naive"],
        }
    }


def test_two_workers_share_a_folder_and_one_that_is_killed_loses_nothing(
    deployed: Machine, home: Path, tmp_path: Path
) -> None:
    from flows.orchestration.prefect_flows import maintain

    folder = folder_of_policies(tmp_path)
    parameters = config(tmp_path, folder)
    wanted = 1 + len([*folder.glob("*.py")])
    claims = claims_of(home, parameters["config"])
    last = [candidate_id(path.read_text("utf-8")) for path in sorted(folder.glob("*.py"))[-2:]]

    with deployed.worker("one", home, family=True) as one, deployed.worker("two", home):
        with held(claims, last):
            with held(claims, [NUMBERS]):  # which each run needs before it takes any policy
                runs = [deployed.start_run("evaluate-policies/folder", parameters) for _ in "ab"]
                awaited(lambda: alive(home) == set(runs) or None, "both to be there")
            awaited(lambda: len(candidates_by_process(home)) == 2 or None, "both to have recorded")
            awaited(lambda: sum(candidates_by_process(home).values()) >= 4 or None, "four policies")
            end_family(one)
        end = awaited(
            lambda: next((s for s in map(state_of(deployed), runs) if s == "COMPLETED"), None),
            "the run of the worker that lives",
        )
        maintain()
        states = sorted(map(state_of(deployed), runs))

    assert end == "COMPLETED"
    assert states == ["COMPLETED", "CRASHED"]
    written = lines_of(home, "candidate")
    assert len(written) == len({str(line["row"]["candidate"]) for line in written}) == wanted
    [experiment] = {str(line["row"]["experiment_id"]) for line in written}
    rows = essence(home, experiment).values()
    outcomes = {row.title: row.outcome for row in rows if isinstance(row, CandidateRow)}
    assert outcomes["naive"] == outcomes[f"{NAMES[0]}.py"] == "ok"


def claims_of(home: Path, settings: dict[str, Any]) -> Path:
    """Return the folder in which the runs will claim policies."""
    chosen = FolderConfig(**settings)
    scenarios = suite_scenarios(chosen.suite, chosen.domain, chosen.split, chosen.policy_calls)
    identity = folder_experiment_id(chosen, folder_sha256(chosen, scenarios))
    folder = experiment_folder(home, identity) / "claims"
    folder.mkdir(parents=True)
    return folder


@contextmanager
def held(folder: Path, claims: list[str]) -> Iterator[None]:
    """Keep the locks of some claims, as another process does that has them and takes its time."""
    with ExitStack() as stack:
        for claim in claims:
            file = stack.enter_context((folder / claim).open("a"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def alive(home: Path) -> set[str]:
    """Return the flow runs that are marked as alive."""
    from flows.orchestration.runs import DRAFT

    return {path.name for path in home.glob("flow-runs/*") if path.suffix != DRAFT}


def state_of(deployed: Machine) -> Callable[[str], str]:
    """Return what tells the state of a flow run."""
    return lambda run: str(deployed.run(run)["state"]["type"])
