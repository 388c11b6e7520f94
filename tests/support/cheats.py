"""Policies that look better than they are, each in its own way; all of them obey every rule."""

from collections.abc import Sequence

from simulator.domains.pipelines.scenario import Scenario

SERVE = """

@register_scheduler_init(key="cheat")
def init(s):
    s.waiting = []
    s.fast = None


@register_scheduler(key="cheat")
def step(s, results: List[ExecutionResult], pipelines: List[Pipeline]):
    if s.fast is None and pipelines:
        s.fast = is_fast([pipeline.priority.value for pipeline in pipelines])
    s.waiting.extend(pipelines)
    pool = s.executor.pools[0]
    cpu, ram, assignments = pool.avail_cpu_pool, pool.avail_ram_pool, []
    cpus, gb = (4, 64) if s.fast else (pool.max_cpu_pool, pool.max_ram_pool)
    for op in ready(s):
        if cpu >= cpus and ram >= gb:
            pipeline = op.pipeline
            assignments.append(
                Assignment(
                    ops=[op],
                    cpu=cpus,
                    ram=gb,
                    priority=pipeline.priority,
                    pool_id=0,
                    pipeline_id=pipeline.pipeline_id,
                )
            )
            cpu, ram = cpu - cpus, ram - gb
    return [], assignments


def ready(s):
    found = []
    if s.fast:
        s.waiting.sort(key=lambda pipeline: pipeline.priority.value)
    for pipeline in s.waiting:
        found += pipeline.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True)
    return found
"""
"""Two operators side by side, urgent ones first, when it is fast; else one at a time."""

HONEST = f'"""Urgent ones first."""\n\n\ndef is_fast(priorities):\n    return True\n{SERVE}'


GAMER = HONEST.replace("Urgent ones first.", "Batch work alone, in many small containers.").replace(
    "in s.waiting:", "in [each for each in s.waiting if each.priority.value == 3]:"
)
"""Ends many containers while whoever waits for an answer waits for ever."""


def knows(scenarios: Sequence[Scenario], title: str) -> str:
    """Return a policy that is fast on these scenarios only: it knows how each of them begins."""
    return (
        f'"""{title}"""\n\nKNOWN = {[beginning(each) for each in scenarios]}\n\n\n'
        f"def is_fast(priorities):\n    return priorities in KNOWN\n{SERVE}"
    )


def beginning(scenario: Scenario) -> list[int]:
    """Return the priorities of the pipelines that come first, at the same time."""
    pipelines = scenario.workload.pipelines
    first = pipelines[0].arrival_tick
    return [int(each.priority) for each in pipelines if each.arrival_tick == first]
