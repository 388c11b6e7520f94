"""A sealed domain in embedded cells: two workers for each scenario, and only what is certified."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.cli.domain_checks import checks_of
from sandbox.outcome import Outcome
from sandbox.trial import Sandbox
from simulator.domain import BOOTSTRAP, find_domain, open_domain
from simulator.driver import LocalPolicy
from simulator.errors import InputError
from simulator.sealed.certificate import names_of
from simulator.suites import load_suite
from tests.support.sealed import (
    QUEUE,
    accepted,
    certify,
    payload,
    play,
    queue_laws,
    queue_spec,
    source,
    three_jobs,
)


@pytest.mark.slow
def test_a_cell_gives_the_figures_that_a_run_in_this_process_gives(tmp_path: Path) -> None:
    domain = accepted(tmp_path / "queue")
    spec = queue_spec()
    scenarios = [three_jobs(spec), *load_suite("small", domain).split("train")[:1]]

    with Sandbox(cell="process", domain=domain) as box:
        trial = box.try_policy(
            domain.policy_source("fifo"), [payload(domain, each) for each in scenarios]
        )

    assert trial.outcome is Outcome.OK, trial
    for scenario, found in zip(scenarios, trial.evaluations, strict=True):
        good = source("simulators", "good")
        here = play(spec, queue_laws(spec), scenario, good, domain.policy_source("fifo")).run
        assert found.metrics == here.metrics
        assert found.stats == here.stats
        assert found.decision_sha256 == here.decision_sha256


@pytest.mark.slow
def test_a_scenario_says_which_accepted_simulator_runs_it(tmp_path: Path) -> None:
    good, broken = source("simulators", "good"), source("simulators", "nothing")
    domain = accepted(tmp_path / "queue", good, broken)
    first = three_jobs(queue_spec())

    with Sandbox(cell="process", domain=domain) as box:
        trial = box.try_policy(
            domain.policy_source("fifo"),
            [payload(domain, first), payload(domain, replace(first, name="two", simulator=1))],
        )

    one, two = trial.evaluations
    assert (one.outcome, two.outcome) == (Outcome.OK, Outcome.SIMULATOR_FAILED)
    assert two.problem is not None
    assert two.problem.message.startswith("every job arrives: at 100 us")
    assert (two.metrics, two.problem.line) == (None, None)


def test_nothing_runs_without_a_certificate_of_these_very_files(tmp_path: Path) -> None:
    bare = open_domain(QUEUE)
    domain = accepted(tmp_path / "queue")
    Sandbox(cell="process", domain=domain)

    with pytest.raises(InputError, match=r"simulator\.py: there is no such file"):
        Sandbox(cell="process", domain=bare)
    for name in ("contract.toml", "laws.toml", "simulator.py"):
        before = (domain.root / name).read_bytes()
        (domain.root / name).write_bytes(before + b"\n# other\n")
        with pytest.raises(InputError, match=f"{name}: it is not the file that certificate"):
            Sandbox(cell="process", domain=open_domain(domain.root))
        (domain.root / name).write_bytes(before)
    certify(domain.root, calibration={"parameters": {"overhead": 70}})
    path = domain.root / names_of(0)[1]
    path.write_text(path.read_text().replace("70", "71"), encoding="utf-8")
    with pytest.raises(InputError, match="its own hash is wrong"):
        Sandbox(cell="process", domain=open_domain(domain.root))


def test_the_simulator_never_runs_in_the_hosts_process(tmp_path: Path) -> None:
    domain = accepted(tmp_path / "queue")
    policy = LocalPolicy(domain.contract, domain.cell.IDLE_POLICY)

    with pytest.raises(InputError, match="it runs in a cell only"):
        domain.cell.simulate(three_jobs(queue_spec()), policy)


def test_a_folder_is_sealed_by_its_contract_and_its_role_is_in_its_hash(tmp_path: Path) -> None:
    domain = accepted(tmp_path / "queue")
    meta = find_domain(f"bootstrap:{domain.root}")

    assert (domain.trust, domain.workers, domain.setting) == ("sealed", 2, str(domain.root))
    assert (meta.role, meta.trust, meta.workers) == (BOOTSTRAP, "local", 2)
    assert meta.setting == f"bootstrap:{domain.root}"
    assert domain.sha256 != meta.sha256
    assert meta.policy_names() != domain.policy_names()
    before = meta.sha256
    (domain.root / "simulator.py").unlink()
    assert find_domain(meta.setting).sha256 == before, "what is accepted is no part of the search"
    assert open_domain(domain.root).sha256 != domain.sha256


def test_a_folder_is_checked_without_running_its_simulator(tmp_path: Path) -> None:
    domain = accepted(tmp_path / "queue")

    (domain.root / "certificate.json").unlink()
    found = {check.name: check.problems for check in checks_of(open_domain(domain.root), 60)}

    assert not found["the suites can be read"]
    assert "certificate.json" in found["its simulators are certified"][0]


def test_scenarios_have_the_parameters_that_were_calibrated(tmp_path: Path) -> None:
    domain = accepted(tmp_path / "queue")
    certify(domain.root, calibration={"parameters": {"overhead": 70}})
    (domain.root / "own.toml").write_text(
        "values = { horizon = 9, servers = 1 }\nparameters = { overhead = 3 }\n"
    )
    labels = {"name": "a", "family": "b", "split": "train"}
    drawn = labels | {"generator": "poisson", "seed": 1}

    def overhead(entry: dict[str, Any]) -> Any:
        return domain.cell.read_scenario(entry, {}, domain.root, "here").parameters["overhead"]

    assert overhead(drawn) == 70
    assert overhead(drawn | {"set": {"overhead": 5}}) == 5
    assert overhead(labels | {"file": "own.toml"}) == 3
    assert domain.cell.canary().parameters["overhead"] == 0


def test_a_folder_with_both_kinds_of_description_is_no_domain(tmp_path: Path) -> None:
    folder = accepted(tmp_path / "queue").root
    (folder / "domain.toml").write_text("", encoding="utf-8")

    with pytest.raises(InputError, match="are both in it"):
        open_domain(folder)
