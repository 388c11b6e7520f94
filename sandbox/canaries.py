"""Small hostile policies that show, through the ordinary path, whether a cell holds here."""

from dataclasses import dataclass

from sandbox.outcome import Evaluation, Outcome
from sandbox.trial import Payload
from simulator.params import Params
from simulator.scenario import Scenario
from simulator.scenario_codec import encode_scenario, scenario_sha256
from simulator.workload import Operator, Pipeline, Priority, Segment, Workload

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
