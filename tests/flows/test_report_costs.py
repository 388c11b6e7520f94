"""Where the cost of recorded attempts arises, read from a history."""

from functools import partial
from pathlib import Path
from typing import Any

from flows.history.records import Row
from flows.history.store import ingest, query
from flows.report.costs import cost_lines
from simulator.domain import find_domain
from tests.support.history_rows import candidate, evaluation, experiment, remember

SPEC = find_domain("faas").spec


def metrics(waiting: list[float]) -> dict[str, Any]:
    delay = sum(waiting) / 100
    timeline = {"seconds_per_sample": 1.0, "waiting_mean": waiting, "idle_mb": [2.0] * 20}
    return {
        "cost_seconds": delay + 1.0,
        "delay_cost_seconds": delay,
        "memory_cost_seconds": 1.0,
        "timeline": {**timeline, "starting_mb": [0.0] * 20},
    }


def test_the_lines_of_attempts_are_read_from_train_alone(tmp_path: Path) -> None:
    calm, busy = metrics([1.0] * 20), metrics([1.0] * 5 + [50.0] * 5 + [1.0] * 10)
    rows: list[Row] = [experiment()]
    for slot, (train, held) in enumerate([(calm, busy), (busy, calm)]):
        for name, split, known in (("calm", "train", train), ("held", "validation", held)):
            rows.append(evaluation(slot=slot, scenario=name, split=split, metrics=known))
        rows.append(candidate(slot=slot, candidate=f"c{slot}"))
    remember(tmp_path, rows)
    ingest(tmp_path)

    ask = partial(query, tmp_path)

    found = cost_lines(ask, "night", SPEC, "delay_and_memory")

    assert found == {
        (1, 1): [
            "calm (delay and memory per invocation 3.04 times that of the best rival, 1/0), 5 to "
            "10 s: 50 invocations waiting (rival 1): 100 % of the excess"
        ]
    }
    assert cost_lines(ask, "night", SPEC, "delay_and_memory", [(1, 0)]) == {}
    assert cost_lines(ask, "night", SPEC, "no_such_objective") == {}
