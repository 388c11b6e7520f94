"""The simulators that come with the worked examples are right, and the checks of each say so."""

import pytest

from simulator.bootstrap.check_spec import problems_of
from simulator.sealed.broker import BrokerRun
from tests.support.systems import NAMES, mutants_of_small_faas, system, verdict

STYLES = {"queue": ("servers",), "small-faas": ("scan", "processes"), "pipelines-core": ()}
"""Right simulators beside ``good``."""
QUICK = ("worked", "random", "shift", "duplicate")


def logs(name: str, generator: str, policy: str, seed: int, *sources: str) -> list[BrokerRun]:
    example = system(name)
    scenario = example.scenario(generator, seed)
    by = example.source(f"policies/{policy}.py")
    return [example.play(scenario, example.source(source), by) for source in sources]


@pytest.mark.parametrize("generator", ["mixed", "ticks"])
def test_three_styles_of_the_small_platform_log_what_our_engine_does(generator: str) -> None:
    styles = ("good", *STYLES["small-faas"])
    sources = ["reference.py", *(f"simulators/{style}.py" for style in styles)]
    for policy in ("impatient", "break_even"):
        expected, *others = logs("small-faas", generator, policy, 1, *sources)

        for style, run in zip(styles, others, strict=True):
            assert run.log == expected.log, (policy, style)
            assert run.run.metrics == expected.run.metrics


@pytest.mark.parametrize("generator", ["mixed", "crowded"])
def test_the_core_of_the_pipelines_logs_what_our_engine_does(generator: str) -> None:
    for policy in ("naive", "first_fit"):
        expected, good = logs(
            "pipelines-core", generator, policy, 1, "reference.py", "simulators/good.py"
        )

        assert good.log == expected.log, policy


@pytest.mark.parametrize("name", NAMES)
def test_every_name_in_a_check_is_known(name: str) -> None:
    example = system(name)

    assert not problems_of(
        example.checks, example.spec, list(example.folder.policies), example.folder.files
    )
    assert {check.split for check in example.checks} == {"shown", "held", "final"}


@pytest.mark.parametrize("name", NAMES)
def test_quick_checks_pass_a_right_simulator_and_fail_one_that_does_nothing(name: str) -> None:
    example = system(name)
    quick = [check for check in example.checks if check.kind in QUICK]
    good, nothing = (example.source(f"simulators/{each}.py") for each in ("good", "nothing"))

    assert {verdict(example, check, good) for check in quick} == {"pass"}
    assert {verdict(example, check, nothing) for check in quick} == {"fail"}


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
def test_no_right_simulator_fails_any_check(name: str) -> None:
    example = system(name)
    for style in ("good", *STYLES[name]):
        source = example.source(f"simulators/{style}.py")
        failed = [each.name for each in example.checks if verdict(example, each, source) != "pass"]

        assert not failed, style


def test_every_mutant_is_a_program_of_its_own() -> None:
    mutants = mutants_of_small_faas()
    for name, source in mutants.items():
        compile(source, name, "exec")

    assert len(set(mutants.values())) == len(mutants) >= 40
