"""What a diagnosis says, about small simulations whose figures are worked out by hand."""

from flows.attempt import SeenAttempt
from flows.prompting.diagnoses import diagnose
from sandbox.outcome import Evaluation, Outcome, Problem
from sandbox.source import source_line
from simulator.errors import PolicyFailure
from simulator.workload import Pipeline, Priority
from tests.support.attempts import attempt, baseline
from tests.support.engine_cases import pipeline, policy_of, run, work

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


def measured(cpu: float, ram: float, *pipelines: Pipeline, **params: object) -> tuple[str, ...]:
    """Return what is said about a policy that starts one operator at a time with these requests."""
    body = ONE_BY_ONE.replace("CPU", str(cpu)).replace("RAM", str(ram))
    return diagnose(attempt(evaluations=(_evaluation(body, *pipelines, **params),)), None)


def _evaluation(body: str, *pipelines: Pipeline, **params: object) -> Evaluation:
    done, _ = run(body, *pipelines, **params)
    return Evaluation(scenario="one", outcome=Outcome.OK, stats=done.stats, metrics=done.metrics)


def test_latency_is_told_by_priority_beside_the_baselines() -> None:
    jobs = [
        pipeline("a", work(cpu=2), priority=QUERY),
        pipeline("b", work(cpu=2), priority=BATCH),
    ]
    fast = ONE_BY_ONE.replace("CPU", "4").replace("RAM", "10")
    slow = ONE_BY_ONE.replace("CPU", "8").replace("RAM", "10")
    naive = baseline(evaluations=(_evaluation(slow, *jobs),))

    lines = diagnose(attempt(evaluations=(_evaluation(fast, *jobs),)), naive)

    # Work of two seconds ends in the last of its twenty ticks, 1.9 seconds after its first.
    assert lines[0] == (
        "query: 1 of 1 completed, mean latency 1.9 s, p95 up to 1.9 s (baseline: 1 of 1 completed, "
        "mean latency 1.9 s, p95 up to 1.9 s)"
    )
    assert lines[1].startswith("batch: 1 of 1 completed, mean latency 2.0 s")
    assert "(baseline: 1 of 1 completed, mean latency 3.9 s" in lines[1]


def test_waiting_is_told_apart_from_work() -> None:
    lines = measured(8, 10, *(pipeline(name, work(cpu=2)) for name in "abc"))

    # One after another: they start at 0, 2 and 4 seconds.
    assert (
        "a pipeline waits 2.0 s for its first operator to start and takes 1.9 s from there (means)"
        in lines
    )


def test_kills_are_told_by_the_size_that_was_asked_for_and_the_size_that_was_reached() -> None:
    lines = measured(2, 10, pipeline("a", work(cpu=1, memory=40)), duration=5)

    kills = [line for line in lines if "out-of-memory kills" in line]
    assert len(kills) == 1
    assert any(line.endswith("asked for 10 GB and had come to 40 GB") for line in lines)


def test_idle_cpus_and_memory_are_named() -> None:
    lines = measured(1, 1, pipeline("a", work(cpu=1)))

    assert "half of the cluster idles: more CPUs or more operators at once may pay" in lines


def test_memory_that_is_held_and_not_used_is_named() -> None:
    lines = measured(1, 100, pipeline("a", work(cpu=8, memory=10)))

    assert any("of which 1" in line and "was used" in line for line in lines)
    assert "memory requests are far above the need and keep other work out" in lines


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
    assert "the weighted latency comes from: query 66 %, what was not completed 34 %" in lines


def test_a_decision_that_cannot_be_is_told_with_its_values() -> None:
    failed = _failing("return [], [put(ops(0), cpu=99)]", pipeline("a", work(cpu=1)))

    (line,) = diagnose(failed, None)

    assert line.startswith("it failed (untrusted text")
    assert "the assignments to pool 0 ask for 99 cpus, 8 are free" in line


def test_an_error_is_told_with_its_line_and_what_stands_there() -> None:
    failed = _failing("left = {}\nreturn left['p7'], []", pipeline("a", work(cpu=1)))

    lines = diagnose(failed, None)

    assert lines[0].startswith("it failed in line ") and "KeyError: 'p7'" in lines[0]
    assert lines[1] == "that line is `return left['p7'], []`"


def _failing(body: str, *pipelines: Pipeline) -> SeenAttempt:
    """Return the attempt of a policy that fails on its first call."""
    try:
        run(body, *pipelines)
    except PolicyFailure as failure:
        told = failure.failure
        problem = Problem(message=told.message, line=told.line, tick=told.tick)
        return attempt(
            outcome="policy_error",
            problem=problem.message,
            problem_line=problem.line,
            problem_source_line=source_line(policy_of(body), problem.line),
            evaluations=(
                Evaluation(scenario="one", outcome=Outcome.POLICY_ERROR, problem=problem),
            ),
        )
    raise AssertionError("the policy did not fail")
