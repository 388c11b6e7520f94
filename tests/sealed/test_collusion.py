"""Collusion by legal messages: what a simulator could tell a policy by order and by turns.

No law forbids it in a single run. A certificate does: the check of causality runs the simulator
again with other hidden numbers, and all that a policy could have learned by then must be equal.
"""

from dataclasses import replace
from typing import Any

import pytest

from simulator.bootstrap.cell import BootstrapCell
from simulator.bootstrap.scenario import scenario_of
from simulator.driver import LocalPolicy
from simulator.sealed.writer_side import simulator_contract
from tests.sealed.attacks import GOOD
from tests.support.sealed import copy_of_the_queue, queue_spec

LOGS_ARRIVALS = """            log("arrived", now, job=coming)
            coming += 1
"""
BY_ORDER = GOOD.replace(
    LOGS_ARRIVALS,
    """            coming += 1
        come = [job.number for job in jobs[:coming] if job.arrival == now]
        if come and jobs[come[-1]].service % 2:
            come.reverse()
        for number in come:
            log("arrived", now, job=number)
""",
)
BY_TURNS = GOOD.replace(
    LOGS_ARRIVALS,
    LOGS_ARRIVALS
    + """            if jobs[coming - 1].service % 2 and coming % 2:
                for decision in (yield):
                    log("started", now, job=decision.job)
                    end = now + parameters.overhead + jobs[decision.job].service
                    heapq.heappush(ends, (end, decision.job))
""",
)
CHECK = """
[[checks]]
name = "own"
split = "shown"
kind = "causality"
scenario = "scenarios/pairs.toml"
policy = "fifo"
moments = 8
"""


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> BootstrapCell:
    """The checks of the queue, with pairs of jobs that arrive together."""
    folder = copy_of_the_queue(tmp_path_factory.mktemp("systems") / "queue")
    jobs = [[10 * (number // 2), 2 * number + 2, 50] for number in range(40)]
    rows = ",\n".join(map(str, jobs))
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "pairs.toml").write_text(
        f"values = {{ horizon = 10000, servers = 1 }}\n[tables]\njobs = [{rows}]\n"
    )
    with (folder / "laws.toml").open("a") as laws:
        laws.write(CHECK)
    return BootstrapCell(queue_spec(), folder)


def causality(cell: BootstrapCell, simulator: str) -> dict[str, Any]:
    (check,) = [each for each in cell.checks if each.name == "own"]
    port = LocalPolicy(simulator_contract(cell.folder.spec), simulator)
    return cell.simulate(replace(scenario_of(check), shrink=False), port).metrics


def test_a_simulator_that_tells_nothing_passes(cell: BootstrapCell) -> None:
    assert causality(cell, GOOD)["passed"] == 1


@pytest.mark.parametrize("simulator", [BY_ORDER, BY_TURNS], ids=["order", "turns"])
def test_what_is_told_by_order_or_by_turns_is_found_before_a_certificate(
    cell: BootstrapCell, simulator: str
) -> None:
    assert simulator != GOOD

    found = causality(cell, simulator)

    assert found["passed"] == 0
    assert "cannot have shown" in str(found)
