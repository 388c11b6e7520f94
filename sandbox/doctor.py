"""Examines whether this machine can hold a cell: engine, image, and canaries in a real cell.

Canaries are small hostile policies that show, through the ordinary path, whether a cell holds.
"""

import platform
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.daemon import DOCKER_ENGINE, Daemon, EngineFacts, shortcomings, warnings_about
from sandbox.errors import SandboxError
from sandbox.image import image_tag
from sandbox.limits import Limits
from sandbox.outcome import Evaluation, Outcome
from sandbox.process_cells import ProcessCells
from sandbox.provider import DOCKER
from sandbox.trial import Payload, Sandbox
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario_codec import encode_scenario, scenario_sha256
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload
from simulator.scenario import Scenario

_SCHEDULER = """
@register_scheduler_init(key="canary")
def init(s):
    pass

@register_scheduler(key="canary")
def step(s, results, pipelines):
    return [], []
"""

_ATTEMPT = """
import os, socket, sys

def attempt():
    {attempt}

try:
    attempt()
except BaseException as error:
    print("held:", type(error).__name__)
else:
    print("done")
"""

_HELD = "held: "
_CANARY_LIMITS = Limits(
    call_cpu_seconds=1.0, policy_cpu_seconds=2.0, wall_seconds=30.0, memory_mb=64, idle_seconds=60
)
_REPORT_A_HOLE = "do not run untrusted policies here; see docs/security.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One thing that must not be possible: what is tried, and how the attempt must end."""

    name: str
    source: str
    outcome: Outcome = Outcome.OK
    held_by: tuple[str, ...] = ()
    """The exceptions that show that the attempt was refused; empty where the outcome shows it."""

    def is_contained(self, evaluation: Evaluation) -> bool:
        """Tell whether the attempt ended as it must."""
        if evaluation.outcome is not self.outcome:
            return False
        if not self.held_by:
            return True
        said = evaluation.prints.strip()
        return said in [f"{_HELD}{name}" for name in self.held_by]


def canaries() -> tuple[Canary, ...]:
    """Return the canaries of ``assay doctor``, one for each promise that can be tried quickly."""
    refused = ("PermissionError",)
    tried = {
        "network": "socket.socket().connect(('192.0.2.1', 80))",
        "unix-socket": "socket.socketpair()",
        "fork": "os.fork()",
        "exec": "os.execv('/bin/true', ['true'])",
        "read-file": "open('/etc/passwd').read()",
        "write-file": "open('/canary', 'w').write('x')",
        "signal": "os.kill(1, 9)",
        "sleep": "__import__('time').sleep(1)",
        "clock": "__import__('time').clock_gettime(0)",
    }
    found = [
        Canary(name=name, source=_ATTEMPT.format(attempt=act) + _SCHEDULER, held_by=refused)
        for name, act in tried.items()
    ]
    hoard = "kept = [bytearray(1 << 20) for _ in range(1 << 20)]"
    found.append(
        Canary(
            name="memory",
            source=_ATTEMPT.format(attempt=hoard) + _SCHEDULER,
            held_by=("MemoryError",),
        )
    )
    endless = "while True: pass\n" + _SCHEDULER
    found.append(Canary(name="cpu", source=endless, outcome=Outcome.CALL_TIMEOUT))
    return tuple(found)


def canary_scenario() -> Payload:
    """Return the smallest scenario that calls a policy at all."""
    params = Params(
        duration=1, ticks_per_second=10, num_pools=1, policy_calls="on_change", random_seed=1
    )
    pipeline = Pipeline(
        id="p1",
        priority=Priority.QUERY,
        arrival_tick=1,
        operators=(Operator(id="op1", segments=(Segment(baseline_cpu_seconds=0.1),)),),
    )
    workload = Workload(pipelines=(pipeline,))
    scenario = Scenario(
        name="canary",
        family="canary",
        split="train",
        params=params,
        workload=workload,
        sha256=scenario_sha256(params, workload),
    )
    return Payload(name=scenario.name, data=encode_scenario(scenario))


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at; ``remedy`` says what to do where it is not well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks, in the order in which they were made."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether cells hold on this machine."""
        return all(check.ok for check in self.checks)

    def to_mapping(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"ok": self.ok, "checks": [asdict(check) for check in self.checks]}


def examine(
    limits: Limits = _CANARY_LIMITS, cell: str = DOCKER, runtime: str | None = None
) -> Report:
    """Look at everything a kind of cell relies on; a check that others need ends the examination.

    Whether embedded cells could be had is told in any case, and decides only where they are asked.
    A ``runtime`` is one of the engine's, in place of the one that it uses by itself.
    """
    checks = [_machine()]
    try:
        if cell == DOCKER:
            checks.append(_embedded(limits, needed=False))
            with closing(Daemon()) as daemon:
                checks += _engine(daemon.facts(), runtime)
                checks.append(_image(daemon))
        else:
            checks.append(_embedded(limits, needed=True))
        if all(check.ok for check in checks):
            checks += _in_cells(limits, cell, runtime)
    except SandboxError as error:
        checks.append(_failed("sandbox", error))
    return Report(checks=tuple(checks))


def _machine() -> Check:
    system = f"{platform.system()} {platform.release()} on {platform.machine()}"
    return Check(
        name="machine",
        ok=platform.system() == "Linux",
        detail=f"{system}, Python {platform.python_version()}",
        remedy="" if platform.system() == "Linux" else "run Assay on Linux",
    )


def _engine(facts: EngineFacts, runtime: str | None) -> Iterator[Check]:
    name = "Docker Engine" if facts.name == DOCKER_ENGINE else facts.name
    described = f"{name} {facts.server_version}, kernel {facts.kernel}"
    chosen = runtime or facts.default_runtime
    yield Check(name="engine", ok=True, detail=f"{described}, runtime {chosen}")
    rights = "rootless" if facts.rootless else "root"
    cgroups = f"cgroup v{facts.cgroup_version}, driver {facts.cgroup_driver}, {rights}"
    lacking = shortcomings(facts, runtime)
    yield Check(
        name="engine protections",
        ok=not lacking,
        detail="; ".join(lacking) or f"{cgroups}, security {', '.join(facts.security)}",
        remedy="use an engine that has what is missing" if lacking else "",
    )
    for warning in warnings_about(facts, runtime):
        yield Check(name="engine advice", ok=True, detail=warning)


def _image(daemon: Daemon) -> Check:
    try:
        return Check(
            name="image", ok=True, detail=f"{image_tag()} is {daemon.image_id(image_tag())}"
        )
    except SandboxError as error:
        return _failed("image", error)


def _embedded(limits: Limits, *, needed: bool) -> Check:
    """Tell which isolation a cell without a container would have here."""
    try:
        setting = ProcessCells(limits).open()
    except SandboxError as error:
        if needed:
            return _failed("embedded cell", error)
        return Check(name="embedded cell", ok=True, detail=f"not here: {error.problem}")
    return Check(
        name="embedded cell",
        ok=True,
        detail=f"--cell process would be {setting.isolation}; {'; '.join(setting.warnings)}",
    )


def _in_cells(limits: Limits, cell: str, runtime: str | None) -> Iterator[Check]:
    scenario = canary_scenario()
    with Sandbox(limits, cell=cell, runtime=runtime) as sandbox:
        sandbox.prepare(1)
        for canary in canaries():
            yield _try_canary(sandbox, canary, scenario)
        trial, facts = sandbox.try_with_facts(canaries()[0].source, [scenario])
        yield _protections(facts)
        yield _addresses(facts)
        if trial.cell is not None:
            yield Check(name="cell", ok=True, detail=f"a trial took {trial.cell.seconds:.2f} s")


def _try_canary(sandbox: Sandbox, canary: Canary, scenario: Payload) -> Check:
    (evaluation,) = sandbox.try_unscreened(canary.source, [scenario]).evaluations
    held = canary.is_contained(evaluation)
    said = evaluation.prints.strip() or (evaluation.problem.message if evaluation.problem else "")
    return Check(
        name=f"canary {canary.name}",
        ok=held,
        detail=f"{evaluation.outcome}: {said}"[:200],
        remedy="" if held else _REPORT_A_HOLE,
    )


def _protections(facts: Any) -> Check:
    """Report what the kernel says; a cell that is weaker than asked is refused before this."""
    shown = (
        "worker_seccomp worker_filters no_new_privs worker_uid trusted_uid worker_capabilities "
        "trusted_capabilities read_only_root own_pid_namespace interfaces"
    ).split()
    told = ", ".join(f"{name}={facts.get(name)}" for name in shown)
    return Check(name="protections in force", ok=bool(facts), detail=told)


def _addresses(facts: Any) -> Check:
    """Tell whether addresses in memory are the same in every cell; a policy may lean on them."""
    if facts.get("fixed_addresses"):
        return Check(name="addresses", ok=True, detail="the same in every cell")
    told = "differ from cell to cell here; a policy that depends on them fails when it is repeated"
    return Check(name="addresses", ok=True, detail=told)


def _failed(name: str, error: SandboxError) -> Check:
    remedy = error.remedy or "try again, and see docs/security.md"
    return Check(name=name, ok=False, detail=error.problem, remedy=remedy)
