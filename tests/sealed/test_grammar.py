"""What the larger examples need of a contract: rows behind rows, fields of earlier events."""

import pytest

from simulator.errors import InputError, PolicyFailure
from simulator.sealed.laws import read_laws
from simulator.sealed.scenarios import generate, make_scenario
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import read_contract
from tests.support.sealed import SYSTEMS, changed_contract, play, policy, simulator

FAAS = SYSTEMS / "small-faas"
NODE_OF_TWO = {
    "tenants": [[1]],
    "nodes": [[300]],
    "functions": [[0, 200, 10, 50, 50]],
    "slots": [[0, 0], [0, 0]],
    "invocations": [[0, 0, 5]],
}
STARTS_BOTH = policy("return [start(slot=slot, keep_alive=7) for slot in state.rows('slots')]")
STARTS_ONE = policy("return [start(slot=s, keep_alive=7) for s in state.rows('slots', 'cold')[:1]]")


@pytest.fixture(scope="module")
def spec() -> SealedSpec:
    return read_contract(FAAS / "contract.toml")


def run_until_idle(spec: SealedSpec, policy_source: str, expires: int) -> dict[str, float]:
    laws = read_laws(FAAS / "laws.toml", spec)
    values = {"horizon": 100, "price": 3}
    scenario = make_scenario(spec, values, NODE_OF_TWO, where="two slots")
    body = f"""
        log("arrived", 0, invocation=0)
        yield
        log("started", 0, slot=0, keep_alive=7)
        log("ready", 10, slot=0)
        log("began", 10, invocation=0, slot=0)
        yield
        log("finished", 15, invocation=0, slot=0)
        yield
        log("expired", {expires}, slot=0)
        yield
    """
    once = policy_source.replace("return", "return [] if state.now else")
    return play(spec, laws, scenario, simulator(body), once).run.metrics


def test_a_law_may_ask_for_a_field_of_an_earlier_event(spec: SealedSpec) -> None:
    with pytest.raises(PolicyFailure, match=r"expired\(23, slot=0\): 8 us, expected 7 us"):
        run_until_idle(spec, STARTS_ONE, 23)


def test_a_gauge_counts_for_each_row_behind_a_row(spec: SealedSpec) -> None:
    with pytest.raises(PolicyFailure, match=r"start\(slot=1, keep_alive=7\): it needs memory"):
        run_until_idle(spec, STARTS_BOTH, 22)


def test_a_figure_may_be_computed_from_figures(spec: SealedSpec) -> None:
    figures = run_until_idle(spec, STARTS_ONE, 22)

    assert figures["mean_charged_memory"] == 200 * 17 / 100
    assert figures["mean_delay"] == 10
    assert figures["cost"] == 10 + 3 * 34
    assert figures["starts"] == 1


def test_helpers_are_drawn_for_later_columns_and_dropped(spec: SealedSpec) -> None:
    scenario = generate(spec, "ticks", 1)

    assert [len(row) for row in scenario.tables["invocations"][:2]] == [3, 3]
    assert all(row[0] % 100_000 == 0 for row in scenario.tables["invocations"])
    assert [row[0] for row in scenario.tables["functions"]] == [0, 1, 0]


def test_figures_that_lead_back_to_themselves_are_refused(tmp_path: object) -> None:
    circle = '[reductions.one]\nexpression = "two"\n[reductions.two]\nexpression = "one"\n[known'
    path = changed_contract(tmp_path, ("[known", circle))  # type: ignore[arg-type]

    with pytest.raises(InputError, match=r"reductions\.one\.expression leads back to"):
        read_contract(path)
