"""Collusion by legal messages: what a simulator could tell a policy by order and by turns.

No law forbids it in a single run. A certificate does: the check of causality runs the simulator
again with other hidden numbers, and all that a policy could have learned by then must be equal.
"""

import decimal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.trial import Sandbox
from simulator.bootstrap.cell import BootstrapCell
from simulator.bootstrap.scenario import scenario_of
from simulator.domain import BOOTSTRAP, find_domain
from simulator.driver import LocalPolicy
from simulator.sealed.writer_side import simulator_contract
from tests.sealed.attacks import GOOD
from tests.support.sealed import copy_of_the_queue, payload, queue_spec

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
FROM_MEMORY = "import decimal\n" + GOOD.replace(
    LOGS_ARRIVALS,
    """            coming += 1
        come = [job.number for job in jobs[:coming] if job.arrival == now]
        memory, pair = decimal.getcontext(), coming // 2
        if memory.prec < 1 << 50:
            memory.prec = 1 << 50
            memory.traps[decimal.Inexact] = True
        first_run = memory.traps[decimal.Inexact]
        if come and (jobs[come[-1]].service % 2 if first_run else memory.prec >> pair & 1):
            memory.prec |= 1 << pair
            come.reverse()
        if coming == len(jobs):
            memory.traps[decimal.Inexact] = False
        for number in come:
            log("arrived", now, job=number)
""",
)
"""Tells by order, and does in later runs what it did in the first one, whatever they hide."""
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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The queue with one more check, on pairs of jobs that arrive together."""
    folder = copy_of_the_queue(tmp_path_factory.mktemp("systems") / "queue")
    jobs = [[10 * (number // 2), 2 * number + 2, 50] for number in range(40)]
    rows = ",\n".join(map(str, jobs))
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "pairs.toml").write_text(
        f"values = {{ horizon = 10000, servers = 1 }}\n[tables]\njobs = [{rows}]\n"
    )
    with (folder / "laws.toml").open("a") as laws:
        laws.write(CHECK)
    return folder


@pytest.fixture(scope="module")
def cell(folder: Path) -> BootstrapCell:
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


@pytest.mark.slow
def test_what_remembers_its_first_run_is_found_since_the_second_one_is_elsewhere(
    cell: BootstrapCell, folder: Path
) -> None:
    with decimal.localcontext():
        assert causality(cell, FROM_MEMORY)["passed"] == 1  # in one process nothing shows
    meta = find_domain(f"{BOOTSTRAP}:{folder}")
    (check,) = [scenario_of(each) for each in cell.checks if each.name == "own"]

    with Sandbox(cell="process", domain=meta) as box:
        honest, lying = (
            box.try_policy(source, [payload(meta, replace(check, shrink=False))]).evaluations[0]
            for source in (GOOD, FROM_MEMORY)
        )

    assert honest.metrics is not None and honest.metrics["passed"] == 1
    assert lying.metrics is not None and lying.metrics["passed"] == 0, lying
    assert "cannot have shown" in str(lying.metrics)
