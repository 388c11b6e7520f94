"""What a simulation keeps for a drawing: its first containers one by one, and kills over time."""

from simulator.domains.pipelines.recorder import CONTAINERS_KEPT
from simulator.domains.pipelines.workload import Priority
from tests.support.engine_cases import pipeline, run, work


def test_each_container_is_kept_with_what_it_held_and_how_it_ended() -> None:
    body = """
plan = {0: [(0, 10)], 5: [(1, 10)], 20: [(2, 4)]}
return [], [put(ops(number), cpu=4, ram=ram) for number, ram in plan.get(tick, [])]
"""
    outcome, _ = run(
        body,
        pipeline("p1", work(cpu=0.5)),
        pipeline("p2", work(cpu=60), at=2, priority=Priority.BATCH_PIPELINE),
        pipeline("p3", work(read=40), at=3, priority=Priority.INTERACTIVE),
    )

    kept = outcome.metrics["containers"]
    assert kept["created"] == 3
    assert kept["spans"] == [
        [0.0, 0.5, 0, 4, 10, 1, "ok"],
        [0.5, 10.0, 0, 4, 10, 3, "running"],
        [2.0, 2.3, 0, 4, 4, 2, "OOM"],
    ]
    assert outcome.metrics["timeline"]["oom_kills"] == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_suspended_container_is_kept_until_it_gives_back_its_share() -> None:
    body = """
containers = s.executor.pools[0].active_containers
stop = [Suspend(c.container_id, 0) for c in containers if c.can_suspend_container()]
return stop, [put(ops(0), ram=20)] if tick == 0 else []
"""
    outcome, _ = run(body, pipeline("p1", work(cpu=0.5), work(cpu=5)))

    [[start, end, *_, fate]] = outcome.metrics["containers"]["spans"]
    assert (start, fate) == (0.0, "suspended")
    assert 0.5 < end < 10.0


def test_only_the_first_containers_are_kept_and_all_are_counted() -> None:
    body = """
ready = [op for p in s.pipelines for op in p.runtime_status().get_ops(ASSIGNABLE_STATES, True)]
return [], [put([op], ram=1) for op in ready[: pools[0].avail_cpu_pool]]
"""
    jobs = [pipeline(f"p{number}", work(cpu=0.1), at=number // 40) for number in range(400)]
    outcome, _ = run(body, *jobs, cpus_per_pool=1000, ram_gb_per_pool=1000)

    kept = outcome.metrics["containers"]
    assert (kept["created"], len(kept["spans"])) == (400, CONTAINERS_KEPT)
