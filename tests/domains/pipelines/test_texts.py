"""What pipelines say to whoever writes a policy: diagnoses, worked out by hand, and texts."""

from typing import Any

from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.diagnoses import WEIGHTS, diagnose
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import PIPELINES, load_suite, policy_source
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND
from simulator.domains.pipelines.workload import Pipeline, Priority
from tests.support.engine_cases import pipeline, run, work

QUERY, BATCH = Priority.QUERY, Priority.BATCH_PIPELINE
ONE_BY_ONE = """
pool = pools[0]
for number, each in enumerate(s.pipelines):
    status = each.runtime_status()
    ready = status.get_ops(ASSIGNABLE_STATES, require_parents_complete=True)[:1]
    if ready and pool.avail_cpu_pool >= CPU and pool.avail_ram_pool >= RAM:
        return [], [Assignment(ready, CPU, RAM, each.priority, 0, each.pipeline_id)]
return [], []
"""


def measured(cpu: float, ram: float, *pipelines: Pipeline, **params: object) -> list[str]:
    """Return what is said about a policy that starts one operator at a time with these requests."""
    body = ONE_BY_ONE.replace("CPU", str(cpu)).replace("RAM", str(ram))
    return diagnose([_metrics(body, *pipelines, **params)], [])


def _metrics(body: str, *pipelines: Pipeline, **params: object) -> dict[str, Any]:
    done, _ = run(body, *pipelines, **params)
    return done.metrics


def test_latency_is_told_by_priority_beside_the_baselines() -> None:
    jobs = [
        pipeline("a", work(cpu=2), priority=QUERY),
        pipeline("b", work(cpu=2), priority=BATCH),
    ]
    fast = ONE_BY_ONE.replace("CPU", "4").replace("RAM", "10")
    slow = ONE_BY_ONE.replace("CPU", "8").replace("RAM", "10")

    lines = diagnose([_metrics(fast, *jobs)], [_metrics(slow, *jobs)])

    # Work of two seconds ends in the last of its twenty ticks, 1.9 seconds after its first.
    assert lines[0] == (
        "query: 1 of 1 completed, mean latency 1.9 s, p95 up to 1.9 s (naive: 1 of 1 completed, "
        "mean latency 1.9 s, p95 up to 1.9 s)"
    )
    assert lines[1].startswith("batch: 1 of 1 completed, mean latency 2.0 s")
    assert "(naive: 1 of 1 completed, mean latency 3.9 s" in lines[1]


def test_waiting_is_told_apart_from_work() -> None:
    lines = measured(8, 10, *(pipeline(name, work(cpu=2)) for name in "abc"))

    # One after another: they start at 0, 2 and 4 seconds.
    assert (
        "a pipeline waits 2.0 s for its first operator and takes 1.9 s from there, on average"
        in lines
    )


def test_kills_are_told_by_the_size_that_was_asked_for_and_the_size_that_was_reached() -> None:
    lines = measured(2, 10, pipeline("a", work(cpu=1, memory=40)), duration=5)

    kills = [line for line in lines if "out-of-memory kills" in line]
    assert len(kills) == 1
    assert any(line.endswith("requested 10 GB and had reached 40 GB") for line in lines)


def test_idle_cpus_and_memory_are_named() -> None:
    lines = measured(1, 1, pipeline("a", work(cpu=1)))

    assert "half of the cluster is idle: more CPUs or more operators at once may help" in lines


def test_memory_that_is_held_and_not_used_is_named() -> None:
    lines = measured(1, 100, pipeline("a", work(cpu=8, memory=10)))

    assert any("of which 1" in line and "was used" in line for line in lines)
    assert "memory requests are far above the need and block other work" in lines


def test_cpus_that_are_all_taken_while_memory_is_free_are_named() -> None:
    lines = measured(8, 10, pipeline("a", work(cpu=10)))

    assert "CPUs are the bottleneck: fewer per container would let more run at once" in lines


def test_starved_pipelines_are_counted() -> None:
    lines = measured(8, 10, *(pipeline(name, work(cpu=20)) for name in "abc"))

    assert "2 pipelines arrived and never had an operator started" in lines


def test_what_makes_the_score_is_told_in_shares() -> None:
    lines = measured(
        8,
        10,
        pipeline("a", work(cpu=2), priority=QUERY),
        pipeline("b", work(cpu=20), priority=BATCH),
    )

    # Ten times 1.9 seconds for the query, ten seconds for the batch pipeline that does not end.
    assert "the weighted latency comes from: query 66 %, unfinished pipelines 34 %" in lines


def test_nothing_is_said_without_figures() -> None:
    assert diagnose([], [{}]) == []


def test_the_texts_name_the_figures_of_the_code() -> None:
    weights = ", ".join(f"{name} {weight:g}" for name, weight in WEIGHTS.items())

    assert f"reads data at {SCAN_GB_PER_SECOND:g} GB per second" in PIPELINES.text("job.md")
    for objective in PIPELINES.spec.objectives:
        assert f"weights {weights}" in " ".join(objective.explanation.split()), objective.name


def test_the_skeleton_runs_everywhere_and_is_nothing_to_copy() -> None:
    source = PIPELINES.text("skeleton.txt")
    names = {"smoke-memory-fixed-1", "smoke-branching-1", "mixed-shared-containers-101"}
    shipped = [*load_suite("smoke").scenarios, *load_suite("mixed").scenarios]

    for each in [scenario for scenario in shipped if scenario.name in names]:
        own, fair = (
            simulate(each.workload, each.params, local_policy(text)).metrics
            for text in (source, policy_source("shortest-first"))
        )

        assert own["pipelines_completed"] > 0
        assert own["weighted_latency_seconds"] > 1.5 * fair["weighted_latency_seconds"]
