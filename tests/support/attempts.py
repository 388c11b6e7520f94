"""Attempts with measurements, for tests of what is said about them."""

from typing import Any

from flows.attempt import SeenAttempt
from sandbox.outcome import Evaluation, Outcome, Problem


def metrics(**changed: Any) -> dict[str, Any]:
    """Return the metrics of a small scenario that went well, with these changes."""
    plain: dict[str, Any] = {
        "weighted_latency_seconds": 400.0,
        "pipelines_completed": 18,
        "pipelines_arrived": 20,
        "latency": {
            "query": _latency(4, 4, 2.0),
            "interactive": _latency(6, 6, 8.0),
            "batch": _latency(10, 8, 30.0),
            "all": _latency(20, 18, 15.0),
        },
        "queue_wait_seconds_mean": 9.0,
        "service_seconds_mean": 6.0,
        "cpu_allocated_percent": 70.0,
        "memory_allocated_percent": 60.0,
        "memory_consumed_percent": 36.0,
        "oom_kills": 0,
        "oom_wasted_cpu_seconds": 0.0,
        "oom_by_request": [],
        "starved_pipelines": 0,
    }
    return {**plain, **changed}


def evaluation(scenario: str = "one", **changed: Any) -> Evaluation:
    """Return an evaluation that went well, with these changes of its metrics."""
    return Evaluation(scenario=scenario, outcome=Outcome.OK, metrics=metrics(**changed))


def failure(scenario: str, outcome: Outcome, message: str) -> Evaluation:
    """Return an evaluation in which the policy failed."""
    return Evaluation(scenario=scenario, outcome=outcome, problem=Problem(message=message))


def attempt(iteration: int = 1, **changed: Any) -> SeenAttempt:
    """Return an attempt of the model proposer, with these changes."""
    plain: dict[str, Any] = {
        "slot": 0,
        "candidate": f"{iteration:064d}",
        "title": f"policy {iteration}",
        "origin": "model",
        "operator": "refine",
        "source": f"# policy {iteration}\n",
        "outcome": "ok",
        "score": 1.0 + iteration / 10,
    }
    return SeenAttempt(iteration=iteration, **{**plain, **changed})


def baseline(**changed: Any) -> SeenAttempt:
    """Return the naive policy's attempt."""
    slow = evaluation(weighted_latency_seconds=800.0, queue_wait_seconds_mean=40.0)
    plain: dict[str, Any] = {
        "title": "naive",
        "origin": "baseline",
        "operator": "baseline",
        "score": 1.0,
        "source": "# naive\n",
        "evaluations": (slow,),
    }
    return attempt(0, **{**plain, **changed})


def _latency(arrived: int, completed: int, mean: float) -> dict[str, Any]:
    return {"arrived": arrived, "completed": completed, "timed_out": 0, "mean": mean}
