"""The shipped suites of functions as a service: what is in them, and making them anew."""

import statistics
from pathlib import Path

import pytest

from simulator.domain import find_domain
from simulator.domains.faas.cell import open_scenario, simulate
from simulator.domains.faas.families import FAMILIES, SHIFTED
from simulator.domains.faas.scenario import Scenario
from simulator.domains.faas.suite_builder import build_suites
from simulator.domains.faas.world import US
from simulator.driver import LocalPolicy
from simulator.errors import InputError
from simulator.suites import load_suite, suite_names, suites_folder

FAAS = find_domain("faas")
FOLDER = suites_folder(FAAS).parent


def train(family: str) -> Scenario:
    return open_scenario(FOLDER / "mixed" / f"faas-mixed-{family}-101.toml")


def share_of_busiest_minutes(scenario: Scenario, minutes: int) -> float:
    """Return the share of invocations that arrive in the busiest minutes."""
    counts: dict[int, int] = {}
    for time in scenario.world.times:
        counts[time // (60 * US)] = counts.get(time // (60 * US), 0) + 1
    return sum(sorted(counts.values())[-minutes:]) / len(scenario.world.times)


def test_suites_and_scenarios_are_made_again_byte_for_byte(tmp_path: Path) -> None:
    build_suites(tmp_path)

    made = {str(each.relative_to(tmp_path)): each.read_bytes() for each in tmp_path.rglob("*.toml")}
    shipped = {str(each.relative_to(FOLDER)): each.read_bytes() for each in FOLDER.rglob("*.toml")}
    assert made == shipped


def test_every_family_of_mixed_is_in_every_split_and_the_shifted_one_only_in_test() -> None:
    suite = load_suite("faas-mixed", FAAS)
    families = [each.name for each in FAMILIES]

    assert suite_names(FAAS) == ["faas-mixed", "faas-smoke"]
    assert [each.family for each in suite.split("train")] == families
    assert [each.family for each in suite.split("validation")] == families
    assert {each.family for each in suite.split("test")} == {*families, SHIFTED.name}
    assert len({each.sha256 for each in suite.scenarios}) == len(suite.scenarios)


def test_smoke_has_every_split_and_loads_with_the_hashes_it_states() -> None:
    suite = load_suite("faas-smoke", FAAS)

    assert [len(suite.split(each)) for each in ("train", "validation", "test")] == [6, 3, 3]
    assert sum(each.size["invocations"] for each in suite.split("train")) < 20_000


def test_a_changed_scenario_file_is_refused_with_both_hashes(tmp_path: Path) -> None:
    name = "faas-smoke-cron-1"
    text = (FOLDER / "smoke" / f"{name}.toml").read_text()
    (tmp_path / "changed.toml").write_text(text.replace("seed = 1\n", "seed = 2\n"))
    (tmp_path / "suite.toml").write_text(
        f'name = "s"\ndescription = "d"\n[[scenarios]]\nname = "{name}"\nfamily = "cron"\n'
        'split = "train"\nscenario = "changed.toml"\nsha256 = "0"\n'
    )

    with pytest.raises(InputError, match=r"scenario 1: the sha256 of the scenario is .*'0'"):
        load_suite(tmp_path / "suite.toml", FAAS)


def test_timers_fire_at_minute_boundaries() -> None:
    assert all(time % (60 * US) == 0 for time in train("cron").world.times)


def test_rare_functions_are_invoked_less_than_twice_an_hour() -> None:
    scenario = train("rare")

    counts = statistics.mean(
        scenario.world.functions.count(each) for each in range(len(scenario.world.setup.functions))
    )
    assert counts / (scenario.duration_seconds / 3600) < 2


def test_few_functions_get_most_invocations_of_heavy_tailed_and_one_tenant_those_of_noisy() -> None:
    tailed, noisy = train("heavy-tailed").world, train("noisy-neighbour").world

    counts = sorted(tailed.functions.count(each) for each in set(tailed.functions))
    tenants = [noisy.setup.functions[each].tenant for each in noisy.functions]
    assert sum(counts[-len(counts) // 5 :]) > 0.6 * sum(counts)
    assert tenants.count(4) > 0.6 * len(tenants)


def test_tenants_in_step_work_in_the_same_minutes_and_steady_ones_do_not() -> None:
    assert share_of_busiest_minutes(train("in-step"), 30) > 0.9
    assert share_of_busiest_minutes(train("steady"), 30) < 0.25


def test_a_diurnal_day_has_a_busy_and_a_quiet_half() -> None:
    times = train("diurnal").world.times

    busy = sum(time % (7200 * US) < 3600 * US for time in times)
    assert busy > 0.75 * len(times)


def test_images_of_image_heavy_do_not_fit_a_disk_together_but_share_packages() -> None:
    setup = train("image-heavy").world.setup

    uses = [package for image in setup.images for package in image.packages]
    assert sum(each.size_mb for each in setup.packages) > setup.nodes[0].disk_mb
    assert len(uses) > len(set(uses))


def test_work_exceeds_the_nodes_of_over_load_and_is_little_for_those_of_under_load() -> None:
    def load(scenario: Scenario) -> float:
        setup = scenario.world.setup
        work = sum(
            setup.functions[function].memory_mb * service
            for function, service in zip(
                scenario.world.functions, scenario.world.services, strict=True
            )
        )
        return work / (scenario.figures["memory_mb"] * scenario.duration_seconds * US)

    assert load(train("over-load")) > 0.8
    assert load(train("under-load")) < 0.05


def test_every_library_policy_ends_every_kind_of_smoke_above_the_bound() -> None:
    files = sorted((FOLDER / "smoke").glob("*-3.toml"))
    scenarios = [open_scenario(each) for each in files]

    assert len(scenarios) == 3
    for name in FAAS.policy_names():
        for scenario in scenarios:
            run = simulate(scenario, LocalPolicy(FAAS.contract, FAAS.policy_source(name)))
            assert run.metrics["cost_seconds"] >= run.metrics["lower_bound_seconds"], name


def test_the_histogram_starts_functions_that_are_due_at_once_only_where_all_of_them_fit() -> None:
    """Two of this scenario's timers once were started ahead in the same free memory."""
    scenario = train("cron")

    run = simulate(scenario, LocalPolicy(FAAS.contract, FAAS.policy_source("hybrid-histogram")))

    assert run.stats["done"] + run.stats["timed_out"] == len(scenario.world.times)
