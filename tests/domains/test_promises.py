"""What every domain promises: no leak, no crash by a decision, determinism, laws, bounds.

The last tests break a domain on purpose and see each promise notice.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from simulator.domain import open_domain
from simulator.driver import LocalPolicy
from simulator.errors import PolicyFailure
from simulator.promises import breaks_laws, differs_when_repeated, leaks, survives_decisions
from simulator.suites import load_suite
from tests.support.domains import Case, cases, copy_of_the_toy

CASES = cases()
every_domain = pytest.mark.parametrize("case", CASES, ids=[case.domain.name for case in CASES])
DISGUISES = 12


@every_domain
def test_no_message_tells_what_a_policy_cannot_know(case: Case) -> None:
    domain = case.domain
    sources = [domain.cell.IDLE_POLICY, domain.policy_source(case.busy)]

    found = [
        leak
        for scenario in case.scenarios()[:4]
        for source in sources
        for seed in range(DISGUISES)
        for leak in leaks(domain, scenario, source, seed)
    ]

    assert hasattr(domain.cell, "disguise")
    assert found == []


@every_domain
def test_disguises_differ_in_what_is_hidden(case: Case) -> None:
    """Else the test above would compare a scenario with itself."""
    cell, scenario = case.domain.cell, case.scenarios()[0]

    disguised = {
        cell.encode_scenario(cell.disguise(scenario, seed)[0])  # type: ignore[attr-defined]
        for seed in range(DISGUISES)
    }

    assert len(disguised - {cell.encode_scenario(scenario)}) > DISGUISES // 2


@every_domain
def test_random_decisions_end_well_or_as_invalid_and_beat_no_bound(case: Case) -> None:
    source = case.domain.policy_source(case.busy)

    fuzzed = survives_decisions(case.domain, case.scenarios(), source, 400)

    assert fuzzed.broken == ()
    assert fuzzed.decisions >= 400


@pytest.mark.nightly
@every_domain
def test_ten_thousand_random_decisions_end_well_or_as_invalid(case: Case) -> None:
    source = case.domain.policy_source(case.busy)

    fuzzed = survives_decisions(case.domain, case.scenarios(), source, 10_000, seed=1)

    assert fuzzed.broken == ()
    assert fuzzed.decisions >= 10_000


@every_domain
def test_the_same_run_gives_the_same_figures_in_another_process_too(case: Case) -> None:
    scenario, source = case.scenarios()[0], case.domain.policy_source(case.busy)

    assert differs_when_repeated(case.domain, scenario, source) == []


@every_domain
def test_every_policy_of_the_library_keeps_the_laws_and_bounds(case: Case) -> None:
    domain, broken = case.domain, []
    finished: set[str] = set()

    for name in domain.policy_names():
        for scenario in case.scenarios()[:3]:
            policy = LocalPolicy(domain.contract, domain.policy_source(name))
            try:
                run = domain.cell.simulate(scenario, policy)
            except PolicyFailure:  # some need a certain cluster
                continue
            finished.add(name)
            broken += [f"{name}: {law}" for law in breaks_laws(domain, scenario, run)]

    assert hasattr(domain.cell, "check_run")
    assert broken == []
    assert len(finished) > len(domain.policy_names()) // 2


@every_domain
def test_a_scenario_is_the_same_after_its_journey(case: Case) -> None:
    cell = case.domain.cell

    for scenario in (cell.canary(), *case.scenarios()):
        data = cell.encode_scenario(scenario)
        back = cell.decode_scenario(data)
        assert (back, cell.encode_scenario(back)) == (scenario, data)


SHOWS_TRUE_TIMES = (
    "cell.py",
    "(coming, scenario.jobs[coming][1])",
    "(coming, scenario.jobs[coming][2])",
)
SHOWS_LATER_ARRIVALS = (
    "cell.py",
    "policy.start(Setup(scenario.duration))",
    "policy.start(Setup(scenario.jobs[-1][0]))",
)
BELIEVES_EVERY_NUMBER = (
    "cell.py",
    "if decision.start not in waiting or running is not None:",
    "if running is not None:",
)
RUNS_TWO_JOBS = (
    "cell.py",
    "if decision.start not in waiting or running is not None:",
    "if decision.start not in waiting:",
)
HASHES = (
    "cell.py",
    "in_system / len(scenario.jobs)",
    'in_system / len(scenario.jobs) + hash("a")',
)
HAS_NO_BOUND = ("cell.py", "    return total / len(scenario.jobs)", "    return 2.0 * total")
FORGETS_RUNS = ("cell.py", "spans.append([now", "if now % 5: spans.append([now")


def broken_by(folder: Path, change: tuple[str, str, str]) -> Sequence[str]:
    """Return what all promises say of a toy with a fault."""
    domain = open_domain(copy_of_the_toy(folder / "queue", change))
    scenarios = load_suite("small", domain).scenarios
    source = domain.policy_source("shortest")
    return [
        *(leak for seed in range(40) for leak in leaks(domain, scenarios[1], source, seed)),
        *differs_when_repeated(domain, scenarios[0], source),
        *survives_decisions(domain, scenarios, source, 300).broken,
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (SHOWS_TRUE_TIMES, "tells what shows only after second"),
        (SHOWS_LATER_ARRIVALS, "tells what shows only after second"),
        (BELIEVES_EVERY_NUMBER, "a decision raised"),
        (RUNS_TWO_JOBS, "two jobs at once"),
        (HASHES, "a run in another process differs"),
        (HAS_NO_BOUND, "beats its bound"),
        (FORGETS_RUNS, "jobs came, but"),
    ],
)
def test_a_broken_promise_is_noticed(
    tmp_path: Path, change: tuple[str, str, str], said: str
) -> None:
    found = broken_by(tmp_path, change)

    assert any(said in each for each in found), found


def test_the_toy_as_it_is_breaks_no_promise(tmp_path: Path) -> None:
    assert broken_by(tmp_path, ("scenario.py", "MOST = 100_000", "MOST = 100_000")) == []
