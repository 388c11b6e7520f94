"""Cells that are no cells: trusted policies run in this process, where a run costs the least.

All else is real: the screen, the engine, the report and how it is judged.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flows.trials import Machinery, Trials
from sandbox.provider import Ended, Setting
from sandbox.trial import Sandbox
from simulator.cell.frames import LENGTH, CellReport, Job, Tried, pack_report, unpack_job
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.scenario_codec import decode_scenario
from simulator.errors import PolicyFailure


@contextmanager
def tried_in_this_process(config: Machinery) -> Iterator[Trials]:
    """Try policies here; only for those that the tests themselves bring."""
    with Sandbox(config.limits, config.slots, ready=False, cell=NoCells()) as sandbox:
        yield sandbox


class NoCells:
    """A provider of cells without any wall."""

    def open(self) -> Setting:
        return Setting(engine="none", runtime="", image="", image_id="", isolation="none")

    def start(self, workers: int) -> "NoCell":
        return NoCell(workers)

    def protections(self) -> Mapping[str, Any]:
        return {}

    def close(self) -> None:
        pass


class NoCell:
    """Does its job at once."""

    age_seconds = 0.0

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, job: bytes, deadline: float, max_output_bytes: int) -> Ended:
        wanted = unpack_job(job[LENGTH.size :])
        tried = [_tried(wanted, payload) for payload in wanted.scenarios]
        report = CellReport(
            simulator_version="",
            domain_sha256=wanted.domain_sha256,
            isolation={},
            tried=tried,
            fault=None,
        )
        return Ended(stdout=pack_report(report, wanted.nonce), stderr="")

    def end(self) -> None:
        pass

    def destroy(self) -> None:
        pass


_ONE_AT_A_TIME = threading.Lock()
"""Policies are modules of one name: in one process they run one after another."""


def _tried(job: Job, payload: bytes) -> Tried:
    scenario, began = decode_scenario(payload), time.process_time()
    try:
        with _ONE_AT_A_TIME:
            run = simulate(scenario.workload, scenario.params, local_policy(job.source))
    except PolicyFailure as error:
        failed = error.failure
        return Tried(
            scenario=scenario.name,
            outcome=failed.kind,
            message=failed.message,
            line=failed.line,
            step=failed.step,
        )
    seconds = time.process_time() - began
    return Tried(
        scenario=scenario.name,
        outcome="ok",
        stats=run.stats,
        metrics=run.metrics,
        policy_calls=run.policy_calls,
        policy_cpu_seconds=seconds,
        seconds=seconds,
        decision_sha256=run.decision_sha256,
    )
