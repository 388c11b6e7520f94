"""Cells for tests: tight limits, a small scenario, an honest policy, and pid1 by itself."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.limits import Limits
from sandbox.trial import Payload
from simulator.cell.frames import LENGTH, CellLimits, CellReport, Job, pack_job, unpack_report
from simulator.domains.pipelines.library import PIPELINES
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.scenario_codec import encode_scenario, scenario_sha256
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload

ROOT = Path(__file__).resolve().parents[2]
NONCE = b"0123456789abcdef" * 2
TIGHT = Limits(
    call_cpu_seconds=1.0,
    policy_cpu_seconds=2.0,
    wall_seconds=60.0,
    memory_mb=64,
    idle_seconds=120.0,
)

HONEST = """
@register_scheduler_init(key="honest")
def init(s):
    s.waiting = []

@register_scheduler(key="honest")
def step(s, results, pipelines):
    s.waiting.extend(pipelines)
    pool, assignments = s.executor.pools[0], []
    cpu, ram = pool.avail_cpu_pool, pool.avail_ram_pool
    for p in s.waiting:
        for op in p.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True):
            if cpu >= 1 and ram >= 4:
                assignments.append(Assignment([op], 1, 4, p.priority, 0, p.pipeline_id))
                cpu, ram = cpu - 1, ram - 4
    return [], assignments
"""


def small_scenario(
    name: str = "small", duration: int = 10, policy_calls: str = "on_change", ids: str = "p"
) -> Payload:
    """Return eight pipelines of two operators on one small pool; their names begin with ``ids``."""
    params = Params(
        duration=duration,
        ticks_per_second=10,
        num_pools=1,
        cpus_per_pool=4,
        ram_gb_per_pool=16,
        policy_calls=policy_calls,
        multi_operator_containers=False,
    )
    work = (Segment(baseline_cpu_seconds=0.4, memory_gb=1.0, storage_read_gb=2.0),)
    pipelines = tuple(
        Pipeline(
            id=f"{ids}{number}",
            priority=Priority(1 + number % 3),
            arrival_tick=5 * number,
            operators=(
                Operator(id="a", segments=work),
                Operator(id="b", parents=(0,), segments=work),
            ),
        )
        for number in range(8)
    )
    workload = Workload(pipelines=pipelines)
    scenario = Scenario(
        name=name,
        family="small",
        split="train",
        params=params,
        workload=workload,
        sha256=scenario_sha256(params, workload),
    )
    return Payload(name=name, data=encode_scenario(scenario))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEnd:
    """What a bare pid1 process left."""

    exit_code: int
    stdout: bytes
    stderr: str

    def report(self) -> CellReport:
        assert self.exit_code == 0, self.stderr
        return unpack_report(self.stdout, NONCE)


def run_pid1(
    stdin: bytes,
    *arguments: str,
    workers: int = 1,
    isolation: str = "one-uid",
    hang_up: bool = False,
) -> ProcessEnd:
    """Run the trusted process outside any container, as the tests of the protocol do.

    Its standard input stays open until the report is there, unless the caller is to ``hang_up``.
    """
    command = [sys.executable, "-s", "-P", "-m", "simulator.cell.pid1", "--isolation", isolation]
    process = subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(LENGTH.pack(workers) + stdin)
        process.stdin.flush()
        if hang_up:
            process.stdin.close()
        stdout, stderr = process.stdout.read(), process.stderr.read()
    return ProcessEnd(
        exit_code=process.returncode,
        stdout=stdout,
        stderr=stderr.decode("utf-8", "replace"),
    )


def try_in_process(
    source: str,
    scenarios: Sequence[Payload],
    limits: CellLimits | None = None,
    isolation: str = "one-uid",
) -> CellReport:
    """Return the report of a bare pid1 process on ``source``."""
    limits = limits or TIGHT.for_cell()
    job = Job(
        nonce=NONCE,
        domain_sha256=PIPELINES.sha256,
        source=source,
        scenarios=[s.data for s in scenarios],
        limits=limits,
    )
    memory = ("--memory-mb", str(limits.memory_mb))
    cpu = ("--cpu-seconds", str(int(limits.policy_cpu_seconds)))
    workers = len(scenarios)
    return run_pid1(pack_job(job), *memory, *cpu, workers=workers, isolation=isolation).report()
