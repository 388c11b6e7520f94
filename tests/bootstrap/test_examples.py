"""The simulators that come with the worked examples are right: they agree with the reference."""

import pytest

from simulator.sealed.broker import BrokerRun
from tests.support.systems import mutants_of_small_faas, system

STYLES = ("good", "scan", "processes")


def logs(name: str, generator: str, policy: str, seed: int, *sources: str) -> list[BrokerRun]:
    example = system(name)
    scenario = example.scenario(generator, seed)
    by = example.source(f"policies/{policy}.py")
    return [example.play(scenario, example.source(source), by) for source in sources]


@pytest.mark.parametrize("generator", ["mixed", "ticks"])
def test_three_styles_of_the_small_platform_log_what_our_engine_does(generator: str) -> None:
    sources = ["reference.py", *(f"simulators/{style}.py" for style in STYLES)]
    for policy in ("on_demand", "impatient", "ahead", "break_even"):
        expected, *others = logs("small-faas", generator, policy, 1, *sources)

        for style, run in zip(STYLES, others, strict=True):
            assert run.log == expected.log, (policy, style)
            assert run.run.metrics == expected.run.metrics


@pytest.mark.parametrize("generator", ["mixed", "crowded"])
def test_the_core_of_the_pipelines_logs_what_our_engine_does(generator: str) -> None:
    for policy in ("naive", "first_fit"):
        expected, good = logs(
            "pipelines-core", generator, policy, 1, "reference.py", "simulators/good.py"
        )

        assert good.log == expected.log, policy


def test_every_mutant_is_a_program_of_its_own() -> None:
    mutants = mutants_of_small_faas()
    for name, source in mutants.items():
        compile(source, name, "exec")

    assert len(set(mutants.values())) == len(mutants) >= 40
